// The body of a request, kept while it is being sent: if the answer is a demand, the same bytes go again with the proof.

import { RillError } from './errors.js'

/** A copy that grows while the request is under way, and never beyond a limit. */
export class KeptBody {
  private readonly reading: Promise<Uint8Array<ArrayBuffer> | null>
  private stop: () => void = () => {}

  /** `copy` is a clone of the request that is sent. */
  constructor(
    copy: Request,
    private readonly max: number,
  ) {
    this.reading = this.read(copy)
    // Only who needs the body is told that it broke off.
    this.reading.catch(() => {})
  }

  /**
   * All of it, waiting for what its source still has to give.
   *
   * @throws {@link RillError} `bad_request` if it is too long or does not end
   */
  async whole(signal: AbortSignal, timeoutMs: number): Promise<Uint8Array<ArrayBuffer>> {
    let late: () => void = () => {}
    const patience = new Promise<never>((_, fail) => {
      late = () => fail(signal.aborted ? signal.reason : refused(`its body has not ended after ${timeoutMs} ms`))
    })
    patience.catch(() => {})
    const timer = setTimeout(late, timeoutMs)
    signal.addEventListener('abort', late, { once: true })
    if (signal.aborted) late()
    try {
      const bytes = await Promise.race([this.reading, patience])
      if (bytes === null) throw refused(`its body is longer than ${this.max} bytes, so it was not kept to be sent again; \`maxBody\` sets how much is`)
      return bytes
    } catch (thrown) {
      this.drop()
      if (thrown instanceof RillError || signal.aborted) throw thrown
      throw refused('its body broke off', thrown)
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', late)
    }
  }

  /** It will not be needed. */
  drop(): void {
    this.stop()
  }

  private async read(copy: Request): Promise<Uint8Array<ArrayBuffer> | null> {
    if (copy.method === 'GET' || copy.body === null) return new Uint8Array(0)
    // Not every browser shows the body of a request as a stream; those that do not send no streams either.
    if (copy.body === undefined) return within(new Uint8Array(await copy.arrayBuffer()), this.max)
    const reader = copy.body.getReader()
    this.stop = () => void reader.cancel().catch(() => {})
    const parts: Uint8Array[] = []
    let length = 0
    for (;;) {
      const part = await reader.read()
      if (part.done) break
      length += part.value.length
      if (length > this.max) {
        this.stop()
        return null
      }
      parts.push(part.value)
    }
    const bytes = new Uint8Array(length)
    let at = 0
    for (const part of parts) {
      bytes.set(part, at)
      at += part.length
    }
    return bytes
  }
}

function within(bytes: Uint8Array<ArrayBuffer>, max: number): Uint8Array<ArrayBuffer> | null {
  return bytes.length > max ? null : bytes
}

function refused(reason: string, cause?: unknown): RillError {
  return new RillError('bad_request', `nothing was paid: the server asks for money for this request, but ${reason}`, { cause })
}
