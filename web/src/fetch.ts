// A `fetch` that pays. It behaves like the platform's until a server answers `402 Payment Required` with an offer that
// this node can honour; then it pays, proves it, and returns what was paid for.
//
// The rule that keeps money safe: what is about to be paid is written down before it is paid, under the hash of the
// request, and counts until the answer has arrived whole. So the same request, made again after a cut line or a closed
// page, finds the payment and shows its proof instead of paying again. For a page that goes away in the moment of the
// answer the note counts a little longer.

import { fromBase64, fromHex, parseJson, sha256, toBase64, utf8 } from './bytes.js'
import { checkOffers, isRecord, readChallenge, requestHash } from './challenge.js'
import type { Challenge, Offer, Requirements } from './challenge.js'
import { RillError, asRillError } from './errors.js'
import type { Hex, PaymentProvider, PaymentSummary, Proof } from './types.js'
import { isOfThisWay, nothingFits, waysTo } from './ways.js'
import type { Way } from './ways.js'

export type { Offer } from './challenge.js'

/** The server's word on a payment, from `PAYMENT-RESPONSE`. */
export interface Receipt {
  readonly paymentId: Hex
  /** What is wrong with the receipt, or null. The resource is delivered either way. */
  readonly problem: string | null
}

export interface PayingFetchOptions {
  /** The most that one request may cost in nano TON, fees included. */
  readonly maxAmount: bigint
  /** The fetch below. Default: the platform's. */
  readonly fetch?: typeof fetch
  /** How long to wait for a payment to arrive before giving the request up with `in_flight`. Default: 30 s. */
  readonly timeoutMs?: number
  /** Pauses before the proof is sent again when the server does not answer. Default: 0.3, 1 and 3 s. */
  readonly resendAfterMs?: readonly number[]
  /** How long after the whole answer a page that was closed and opened again gets it again for nothing. Default: 30 s. */
  readonly againMs?: number
  /** Asked before a payment is made, with all that it costs; a reason in return stops it. */
  readonly onBeforePayment?: (offer: Offer, total: bigint) => string | undefined | Promise<string | undefined>
  /** Told when the receiver has been paid. */
  readonly onPayment?: (payment: PaymentSummary) => void
  /** Told when the server has delivered. */
  readonly onReceipt?: (receipt: Receipt) => void
  /** Unix milliseconds. Default: the platform's clock. */
  readonly now?: () => number
}

/**
 * A `fetch` that answers `402` by paying from `provider`, never more than `maxAmount` for one request. Requests that
 * cost nothing pass through untouched. The same invoice is never paid twice; an identical request whose answer never
 * came sends the same proof again.
 *
 * @example
 * const node = await openNode({ passphrase, invitation })
 * const paidFetch = wrapFetch(node, { maxAmount: 50_000_000n })
 * const article = await paidFetch('https://news.example/article/1')
 *
 * @throws {@link RillError} `bad_challenge`, `unsupported`, `wrong_network`, `budget_exceeded`, `user_rejected`, `no_route`,
 * `insufficient_balance`, `expired`, `payment_failed`, `in_flight`, `verification_failed`, `duplicate`
 */
export function wrapFetch(provider: PaymentProvider, options: PayingFetchOptions): typeof fetch {
  const send = options.fetch ?? ((input, init) => fetch(input, init))
  return async (input, init) => {
    const request = new Request(input, init)
    if (request.method === 'HEAD' || request.method === 'OPTIONS') return send(request)
    const body = request.method === 'GET' ? new Uint8Array(0) : new Uint8Array(await request.clone().arrayBuffer())
    const response = await send(request.clone())
    const header = response.status === 402 ? response.headers.get('PAYMENT-REQUIRED') : null
    if (header === null) return response

    await response.body?.cancel()
    const url = withoutFragment(response.url || request.url)
    if (url !== withoutFragment(request.url)) {
      throw new RillError('bad_challenge', `nothing was paid: the request was redirected to ${url}; ask for that address itself`)
    }
    const hash = await requestHash(request.method, url, body)
    const purchase = new Purchase(provider, options, send, request, hash)
    return provider.inTurn(`fetch:${hash}`, () => purchase.run(readChallenge(header)))
  }
}

/** What is written down before paying: enough to prove the payment later. */
interface Attempt {
  readonly id: Hex
  readonly resource: unknown
  readonly accepted: Requirements
  /** Set when the whole answer was read, by which life of the page and when (unix milliseconds). */
  readonly answered?: { readonly session: string; readonly at: number }
}

/** One request on its way from a challenge to the resource. */
class Purchase {
  constructor(
    private readonly provider: PaymentProvider,
    private readonly options: PayingFetchOptions,
    private readonly send: typeof fetch,
    private readonly request: Request,
    private readonly hash: Hex,
  ) {}

  async run(challenge: Challenge): Promise<Response> {
    const open = await this.openAttempt()
    if (open !== null) return this.deliver(open.attempt, await this.arrival(open.payment))

    const { attempt, payment } = await this.payCheapest(challenge)
    return this.deliver(attempt, await this.arrival(payment))
  }

  /** Pays the cheapest way within the limit that our node can go. */
  private async payCheapest(challenge: Challenge): Promise<{ attempt: Attempt; payment: PaymentSummary }> {
    const { offers, fallen } = await checkOffers(challenge, this.hash, this.provider, Math.floor(this.now() / 1000))
    const { channels } = await this.provider.snapshot()
    const found = waysTo(offers, channels)
    const refused = [...fallen, ...found.fallen]
    for (const way of found.ways) {
      try {
        return await this.payOver(way)
      } catch (thrown) {
        const error = asRillError(thrown)
        if (error.code !== 'budget_exceeded' && !isOfThisWay(error)) throw thrown
        refused.push(error)
      }
    }
    throw nothingFits(refused)
  }

  private async payOver(way: Way): Promise<{ attempt: Attempt; payment: PaymentSummary }> {
    const { offer } = way
    await this.permit(offer, way.total)
    this.request.signal.throwIfAborted()
    const attempt: Attempt = { id: offer.id, resource: offer.resource, accepted: offer.accepted }
    await this.provider.remember(this.key(), JSON.stringify(attempt))
    return { attempt, payment: await this.pay(way) }
  }

  /** The payment that an identical request made without getting its answer, if there is one. */
  private async openAttempt(): Promise<{ attempt: Attempt; payment: PaymentSummary } | null> {
    const attempt = readAttempt(await this.provider.recall(this.key()))
    if (attempt === null) return null
    const { answered } = attempt
    if (answered !== undefined && (answered.session === this.provider.session || this.now() > answered.at + this.again())) {
      await this.provider.remember(this.key(), null)
      return null
    }
    try {
      const payment = await this.provider.payment(attempt.id)
      if (payment.state !== 'failed') return { attempt, payment }
    } catch (thrown) {
      const error = asRillError(thrown)
      if (error.code !== 'not_found') throw error
    }
    await this.provider.remember(this.key(), null)
    return null
  }

  private async permit(offer: Offer, total: bigint): Promise<void> {
    if (total > this.options.maxAmount) {
      throw new RillError('budget_exceeded', `nothing was paid: it costs ${total} nano, the limit is ${this.options.maxAmount}`)
    }
    const refusal = await this.options.onBeforePayment?.(offer, total)
    if (refusal !== undefined) throw new RillError('user_rejected', `nothing was paid: ${refusal}`)
  }

  private async pay({ offer, route }: Way): Promise<PaymentSummary> {
    try {
      return await this.provider.pay({ id: offer.id, route, amount: offer.amount })
    } catch (thrown) {
      const error = asRillError(thrown)
      if (!error.moneyMayHaveMoved) await this.provider.remember(this.key(), null)
      throw error
    }
  }

  /** Waits until the receiver has been paid. */
  private async arrival(begun: PaymentSummary): Promise<PaymentSummary> {
    const { id } = begun
    const waiting = arrived(begun)
      ? Promise.resolve(begun)
      : this.provider.finished(id, this.options.timeoutMs ?? 30_000, this.request.signal)
    const payment = await waiting.catch((thrown: unknown) => {
      throw this.inFlight(id, 'the request was given up while the payment was under way', thrown)
    })
    if (payment.state === 'failed') {
      await this.provider.remember(this.key(), null)
      const reason = payment.reason ?? 'the payment was refused'
      throw new RillError('payment_failed', `the merchant was not paid: ${reason}; what is still locked comes back by itself`, {
        retry: 'new',
        paymentId: id,
      })
    }
    if (!arrived(payment)) throw this.inFlight(id, 'the payment has not arrived yet')
    this.options.onPayment?.(payment)
    return payment
  }

  /** Shows the proof until the server answers, and hands its answer over. */
  private async deliver(attempt: Attempt, payment: PaymentSummary): Promise<Response> {
    const header = await this.proof(attempt, payment)
    let problem = 'the server does not answer'
    for (const pause of [0, ...(this.options.resendAfterMs ?? [300, 1_000, 3_000])]) {
      await sleep(pause)
      if (this.request.signal.aborted) throw this.inFlight(payment.id, 'the request was given up', this.request.signal.reason)
      // The proof is for the origin that asked for it: a redirect is looked at, never followed.
      const request = new Request(this.request.clone(), { cache: 'no-store', redirect: 'manual' })
      request.headers.set('PAYMENT-SIGNATURE', header)
      let response: Response
      try {
        response = await this.send(request)
      } catch (thrown) {
        problem = `the server cannot be reached: ${thrown instanceof Error ? thrown.message : String(thrown)}`
        continue
      }
      if (redirects(response, request)) {
        await response.body?.cancel()
        throw this.inFlight(payment.id, `the server answers the proof with a redirect${to(response)}, where it was not shown`)
      }
      if (response.ok) return this.handOver(response, attempt, payment)
      if (response.status === 402 || response.status === 400) {
        const code = refusal(response)
        if (code === 'invalid_exact_tvm_not_final') {
          problem = 'the merchant has not seen the payment yet'
        } else {
          throw await this.refused(attempt, code)
        }
      } else if (response.status >= 500 || response.status === 429 || response.status === 408) {
        problem = `the server answers with status ${response.status}`
      } else {
        return response
      }
      await response.body?.cancel()
    }
    throw this.inFlight(payment.id, problem)
  }

  private async proof(attempt: Attempt, payment: PaymentSummary): Promise<string> {
    const [id, hash, key] = [attempt.id, this.hash, payment.key].map((hex) => fromHex(hex, 32))
    if (!id || !hash || !key) throw new RillError('internal', 'the node names a payment by malformed keys', { moneyMayHaveMoved: true })
    const digest = await sha256(utf8('rill:proof:v1'), id, hash, key)
    const proof: Proof = await this.provider.provePayment(attempt.id, digest)
    const payload = {
      invoiceId: attempt.id,
      channelId: proof.channel,
      instructionKey: proof.instruction,
      amount: payment.amount,
      signature: proof.signature,
    }
    const message = { x402Version: 2, resource: attempt.resource, accepted: attempt.accepted, payload }
    return toBase64(utf8(JSON.stringify(message)))
  }

  /** Hands the answer over; once all of it has been read the attempt is over. */
  private async handOver(response: Response, attempt: Attempt, payment: PaymentSummary): Promise<Response> {
    const problem = receiptProblem(response, payment, this.provider.network)
    this.options.onReceipt?.({ paymentId: payment.id, problem })
    if (response.body === null) {
      await this.over(attempt)
      return response
    }
    // `flush` holds the end of the body back until that is durable: who has read it all may buy the same thing again.
    const watched = new Response(response.body.pipeThrough(new TransformStream({ flush: () => this.over(attempt) })), response)
    Object.defineProperty(watched, 'url', { value: response.url })
    return watched
  }

  /** A note that cannot be changed is no harm: the same proof is then shown once more. */
  private async over(attempt: Attempt): Promise<void> {
    const answered = { session: this.provider.session, at: this.now() }
    await this.provider.remember(this.key(), JSON.stringify({ ...attempt, answered })).catch(() => {})
    setTimeout(() => void this.provider.inTurn(`fetch:${this.hash}`, () => this.strike(attempt.id)).catch(() => {}), this.again())
  }

  /** Takes the note away, unless it is of a later purchase by now. */
  private async strike(id: Hex): Promise<void> {
    const attempt = readAttempt(await this.provider.recall(this.key()))
    if (attempt?.id === id && attempt.answered !== undefined) await this.provider.remember(this.key(), null)
  }

  /** The server has the proof and says no for good. The note is kept under the payment's own id. */
  private async refused(attempt: Attempt, code: string): Promise<RillError> {
    await this.provider.remember(`refused:${attempt.id}`, JSON.stringify({ ...attempt, code }))
    await this.provider.remember(this.key(), null)
    const duplicate = code === 'duplicate_settlement'
    const known = duplicate ? 'duplicate' : code === 'invalid_exact_tvm_expired' ? 'expired' : 'verification_failed'
    return new RillError(known, `the payment was made, but the server does not accept its proof (${code}): ask the merchant, naming payment ${attempt.id}`, {
      moneyMayHaveMoved: true,
      paymentId: attempt.id,
    })
  }

  private inFlight(id: Hex, reason: string, cause?: unknown): RillError {
    return new RillError('in_flight', `${reason}; make the same request again, it does not pay twice`, {
      retry: 'same',
      moneyMayHaveMoved: true,
      paymentId: id,
      cause,
    })
  }

  private key(): string {
    return `attempt:${this.hash}`
  }

  private again(): number {
    return this.options.againMs ?? 30_000
  }

  private now(): number {
    return (this.options.now ?? Date.now)()
  }
}

function arrived(payment: PaymentSummary): boolean {
  return payment.state === 'sent' || payment.state === 'settled'
}

function readAttempt(text: string | null): Attempt | null {
  const value = text === null ? null : parseJson(utf8(text))
  if (!isRecord(value) || typeof value['id'] !== 'string') return null
  const attempt = { id: value['id'], resource: value['resource'], accepted: value['accepted'] as Requirements }
  const answered = value['answered']
  if (!isRecord(answered)) return attempt
  return { ...attempt, answered: { session: String(answered['session']), at: Number(answered['at']) } }
}

/** A redirect, whether the fetch below shows it, hides it as browsers do, or has followed it against our wish. */
function redirects(response: Response, request: Request): boolean {
  if (response.type === 'opaqueredirect' || [301, 302, 303, 307, 308].includes(response.status)) return true
  return response.redirected || (response.url !== '' && withoutFragment(response.url) !== withoutFragment(request.url))
}

function to(response: Response): string {
  const target = response.headers.get('location')
  return target === null ? '' : ` to ${target}`
}

/** The code of the server's refusal. */
function refusal(response: Response): string {
  const header = response.headers.get('PAYMENT-REQUIRED')
  try {
    return (header === null ? null : readChallenge(header).error) ?? `status ${response.status}`
  } catch {
    return `status ${response.status}`
  }
}

function receiptProblem(response: Response, payment: PaymentSummary, network: string): string | null {
  const header = response.headers.get('PAYMENT-RESPONSE')
  if (header === null) return 'the server sent no receipt'
  const receipt = parseJson(fromBase64(header))
  if (!isRecord(receipt)) return 'the receipt is malformed'
  const extra = isRecord(receipt['extra']) ? receipt['extra'] : {}
  if (receipt['success'] !== true) return 'the receipt says that the payment failed'
  if (receipt['network'] !== network) return 'the receipt names another network'
  if (extra['invoiceId'] !== payment.id || receipt['payer'] !== payment.key) return 'the receipt is for another payment'
  if (receipt['amount'] !== payment.amount) return 'the receipt names another amount'
  return null
}

function withoutFragment(url: string): string {
  return url.replace(/#.*$/s, '')
}

function sleep(ms: number): Promise<void> {
  return ms === 0 ? Promise.resolve() : new Promise((wake) => setTimeout(wake, ms))
}
