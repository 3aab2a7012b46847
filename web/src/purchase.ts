// One purchase: from a demand to the resource, over a payment of now or of an earlier try.

import type { Attempt, Notes } from './attempt.js'
import { fromBase64, fromHex, parseJson, sha256, toBase64, utf8 } from './bytes.js'
import { checkOffers, isRecord, readChallenge } from './challenge.js'
import type { Offer } from './challenge.js'
import { Delivered, watched } from './delivery.js'
import { RillError, asRillError } from './errors.js'
import type { ErrorCode } from './errors.js'
import type { PayingFetchOptions } from './fetch.js'
import { NOT_FINAL, readRefusal } from './refusal.js'
import { formatTon } from './ton.js'
import type { Hex, PaymentProvider, PaymentSummary, Proof } from './types.js'
import { isOfThisWay, nothingFits, waysTo } from './ways.js'
import type { Way } from './ways.js'

/** One request on its way from a challenge to the resource. */
export class Purchase {
  constructor(
    private readonly provider: PaymentProvider,
    private readonly options: PayingFetchOptions,
    private readonly send: typeof fetch,
    private readonly request: Request,
    private readonly hash: Hex,
    private readonly notes: Notes,
  ) {}

  /** `demand` is the answer to the request without a proof. One that asks for nothing comes back untouched. */
  async run(demand: Response): Promise<Response> {
    const open = await this.openAttempt()
    const header = demand.headers.get('PAYMENT-REQUIRED')
    if (open === null && header === null) return demand
    await demand.body?.cancel()
    const { attempt, payment } = open ?? (await this.payCheapest(header ?? ''))
    try {
      return await this.deliver(attempt, await this.arrival(payment))
    } catch (thrown) {
      if (thrown instanceof RillError && thrown.paymentId !== undefined) throw thrown
      throw this.inFlight(attempt.id, asRillError(thrown).message, thrown)
    }
  }

  /** Pays the cheapest way within the limit that our node can go. */
  private async payCheapest(header: string): Promise<{ attempt: Attempt; payment: PaymentSummary }> {
    const { offers, fallen } = await checkOffers(readChallenge(header), this.hash, this.provider, Math.floor(this.now() / 1000))
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
    await this.notes.write(attempt)
    return { attempt, payment: await this.pay(way) }
  }

  /** The payment that an identical request made without getting its answer, if there is one. */
  private async openAttempt(): Promise<{ attempt: Attempt; payment: PaymentSummary } | null> {
    const attempt = await this.notes.read()
    if (attempt === null) return null
    const { answered } = attempt
    if (answered !== undefined && (answered.session === this.provider.session || this.now() > answered.at + this.again())) {
      await this.notes.drop()
      return null
    }
    try {
      const payment = await this.provider.payment(attempt.id)
      if (payment.state !== 'failed') return { attempt, payment }
    } catch (thrown) {
      const error = asRillError(thrown)
      if (error.code !== 'not_found') throw error
    }
    await this.notes.drop()
    return null
  }

  private async permit(offer: Offer, total: bigint): Promise<void> {
    if (total > this.options.maxAmount) {
      throw new RillError('budget_exceeded', `nothing was paid: it costs ${formatTon(total)} with fees, the limit is ${formatTon(this.options.maxAmount)}`)
    }
    const refusal = await this.options.onBeforePayment?.(offer, total)
    if (refusal !== undefined) throw new RillError('user_rejected', `nothing was paid: ${refusal}`)
  }

  private async pay({ offer, route }: Way): Promise<PaymentSummary> {
    try {
      return await this.provider.pay({ id: offer.id, route, amount: offer.amount })
    } catch (thrown) {
      const error = asRillError(thrown)
      if (!error.moneyMayHaveMoved) await this.notes.drop()
      throw error
    }
  }

  /** Waits until the receiver has been paid. */
  private async arrival(begun: PaymentSummary): Promise<PaymentSummary> {
    const { id } = begun
    const waiting = arrived(begun)
      ? Promise.resolve(begun)
      : this.provider.finished(id, this.options.timeoutMs ?? ARRIVAL_MS, this.request.signal)
    const payment = await waiting.catch((thrown: unknown) => {
      throw this.inFlight(id, 'the request was given up while the payment was under way', thrown)
    })
    if (payment.state === 'returning') {
      const until = new Date((payment.locked_until ?? 0) * 1000).toISOString()
      const reason = payment.reason ?? 'the payment was refused'
      throw this.inFlight(id, `${reason}; the promise can still be claimed until ${until}, unless you give payment ${id} up`)
    }
    if (payment.state === 'failed') {
      await this.notes.drop()
      const reason = payment.reason ?? 'the payment was refused'
      throw new RillError('payment_failed', `the merchant was not paid: ${reason}; what is still locked comes back by itself`, {
        retry: 'new',
        paymentId: id,
      })
    }
    if (!arrived(payment)) throw this.inFlight(id, 'the payment has not arrived yet')
    tell(() => this.options.onPayment?.(payment))
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
      if (response.ok || response.status === 304) return this.handOver(response, attempt, payment)
      problem = await this.judge(response, attempt, header)
      await response.body?.cancel()
    }
    throw this.inFlight(payment.id, problem)
  }

  /** Why an answer that is not the resource may be followed by it when the proof is shown again; throws if not now. */
  private async judge(response: Response, attempt: Attempt, proof: string): Promise<string> {
    const { status } = response
    const refusal = await readRefusal(response, attempt, proof, this.provider)
    if (refusal?.code === NOT_FINAL) return 'the merchant has not seen the payment yet'
    if (refusal !== null && (refusal.signed || status === 402 || status === 400)) {
      await response.body?.cancel()
      throw refusal.signed ? await this.refused(attempt, refusal.code) : this.denied(attempt, refusal.code)
    }
    if (AGAIN.includes(status) || status >= 500) return `the server answers the proof with status ${status}`
    await response.body?.cancel()
    throw this.inFlight(attempt.id, `the server answers the proof with status ${status}`)
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
    tell(() => this.options.onReceipt?.({ paymentId: payment.id, problem }))
    if (response.body === null) {
      await this.over(attempt)
      return response
    }
    // Who has read it all may buy the same thing again: the end comes when that is durable.
    const over = () => this.over(attempt)
    const broken = (cause: unknown) =>
      this.request.signal.aborted ? cause : this.inFlight(payment.id, 'the answer broke off', cause)
    return new Delivered(response, watched(response.body, over, broken))
  }

  /** A note that cannot be changed is no harm: the same proof is then shown once more. */
  private async over(attempt: Attempt): Promise<void> {
    const answered = { session: this.provider.session, at: this.now() }
    await this.notes.write({ ...attempt, answered }).catch(() => {})
    setTimeout(() => void this.provider.inTurn(`fetch:${this.hash}`, () => this.strike(attempt.id)).catch(() => {}), this.again())
  }

  /** Takes the note away, unless it is of a later purchase by now. */
  private async strike(id: Hex): Promise<void> {
    const attempt = await this.notes.read()
    if (attempt?.id === id && attempt.answered !== undefined) await this.notes.drop()
  }

  /** The merchant's node has signed that it refuses this proof. The note is kept under the payment's own id. */
  private async refused(attempt: Attempt, code: string): Promise<RillError> {
    await this.notes.end(attempt, code)
    const message = `the payment was made, but the merchant refuses its proof for good (${code}): ask the merchant, naming payment ${attempt.id}`
    return new RillError(named(code), message, { retry: 'new', moneyMayHaveMoved: true, paymentId: attempt.id })
  }

  /** The server says no, without the merchant's signature. */
  private denied(attempt: Attempt, code: string): RillError {
    const message =
      `the payment was made, but the server does not accept its proof (${code}). The payment stays bound to this request: ` +
      `the same request shows the proof again and pays nothing, until you give payment ${attempt.id} up`
    return new RillError(named(code), message, { retry: 'same', moneyMayHaveMoved: true, paymentId: attempt.id })
  }

  private inFlight(id: Hex, reason: string, cause?: unknown): RillError {
    return new RillError('in_flight', `${reason}; make the same request again, it does not pay twice`, {
      retry: 'same',
      moneyMayHaveMoved: true,
      paymentId: id,
      cause,
    })
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

/** A redirect, whether the fetch below shows it, hides it as browsers do, or has followed it against our wish. */
function redirects(response: Response, request: Request): boolean {
  if (response.type === 'opaqueredirect' || [301, 302, 303, 307, 308].includes(response.status)) return true
  return response.redirected || (response.url !== '' && withoutFragment(response.url) !== withoutFragment(request.url))
}

function to(response: Response): string {
  const target = response.headers.get('location')
  return target === null ? '' : ` to ${target}`
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

/** What a listener throws is its own affair: the money has moved, and the answer is on its way. */
function tell(listener: () => void): void {
  try {
    listener()
  } catch (thrown) {
    console.error('a listener of the paying fetch failed', thrown)
  }
}

function sleep(ms: number): Promise<void> {
  return ms === 0 ? Promise.resolve() : new Promise((wake) => setTimeout(wake, ms))
}

function named(code: string): ErrorCode {
  if (code === 'duplicate_settlement') return 'duplicate'
  return code === 'invalid_exact_tvm_expired' ? 'expired' : 'verification_failed'
}

/** Statuses that may change by themselves, or that come from somebody who has not looked at the proof. */
const AGAIN: readonly number[] = [400, 402, 408, 425, 429]

export const ARRIVAL_MS = 30_000
