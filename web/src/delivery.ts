// What was paid for, as the platform would have handed it over.

/**
 * The response with another body and nothing else changed. The platform's constructor refuses status lines and headers
 * that servers do send, and forgets where a response came from; what was paid for must be delivered all the same.
 */
export class Delivered extends Response {
  constructor(
    private readonly sent: Response,
    body: ReadableStream<Uint8Array<ArrayBuffer>> | null,
  ) {
    // `blob()` and `formData()` read the type of the content from here.
    super(body, { status: sent.status, headers: contentType(sent) })
  }

  override get headers(): Headers {
    return this.sent.headers
  }

  override get statusText(): string {
    return this.sent.statusText
  }

  override get type(): ResponseType {
    return this.sent.type
  }

  override get url(): string {
    return this.sent.url
  }

  override get redirected(): boolean {
    return this.sent.redirected
  }

  override clone(): Delivered {
    // Its body is the other half of ours.
    return new Delivered(this.sent, super.clone().body)
  }
}

/** `body`, whose end is held back until `over` is done. What breaks off fails with what `broken` makes of it. */
export function watched(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  over: () => Promise<void>,
  broken: (cause: unknown) => unknown,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reader = body.getReader()
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        let part: ReadableStreamReadResult<Uint8Array<ArrayBuffer>>
        try {
          part = await reader.read()
        } catch (cause) {
          throw broken(cause)
        }
        if (!part.done) return controller.enqueue(part.value)
        await over()
        controller.close()
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  )
}

function contentType(sent: Response): Headers {
  const headers = new Headers()
  const type = sent.headers.get('content-type')
  try {
    if (type !== null) headers.set('content-type', type)
  } catch {
    // One that the platform cannot carry.
  }
  return headers
}
