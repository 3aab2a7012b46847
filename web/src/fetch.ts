// A `fetch` that pays. It behaves like the platform's until a server answers `402 Payment Required` with an offer that
// this node can honour; then it pays, proves it, and returns what was paid for.
//
// The rule that keeps money safe: what is about to be paid is written down before it is paid, under the hash of the
// request, and counts until the answer has arrived whole or the merchant's node has signed that it refuses that very
// proof. So the same request, made again after a cut line, a closed page or whatever else was answered, finds the payment
// and shows its proof instead of paying again. For a page that goes away in the moment of the answer the note counts a
// little longer. Who does not want to wait for ever gives the payment up on purpose.

import { Notes } from './attempt.js'
import { KeptBody } from './body.js'
import { requestHash } from './challenge.js'
import type { Offer } from './challenge.js'
import { RillError } from './errors.js'
import { ARRIVAL_MS, Purchase } from './purchase.js'
import type { Hex, PaymentProvider, PaymentSummary } from './types.js'

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
  /** How many bytes of a request's body are kept at most, to be sent again with a proof. Default: 16 MiB. */
  readonly maxBody?: number
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
  const limit: unknown = options?.maxAmount
  if (typeof limit !== 'bigint' || limit < 0n) {
    throw new RillError('bad_request', 'wrapFetch needs `maxAmount`: the most that one request may cost, in nano TON as a bigint')
  }
  const send = options.fetch ?? ((input, init) => fetch(input, init))
  return async (input, init) => {
    const request = new Request(input, init)
    if (request.method === 'HEAD' || request.method === 'OPTIONS') return send(request)
    const kept = new KeptBody(request.clone(), options.maxBody ?? BODY_MAX)
    const response = await send(request).catch((thrown: unknown) => {
      kept.drop()
      throw thrown
    })
    if (response.status !== 402) {
      kept.drop()
      return response
    }

    const url = withoutFragment(response.url || request.url)
    if (url !== withoutFragment(request.url)) {
      kept.drop()
      if (response.headers.get('PAYMENT-REQUIRED') === null) return response
      await response.body?.cancel()
      throw new RillError('bad_challenge', `nothing was paid: the request was redirected to ${url}; ask for that address itself`)
    }
    const body = await kept.whole(request.signal, options.timeoutMs ?? ARRIVAL_MS)
    const hash = await requestHash(request.method, url, body)
    const again = bodyless(request) ? request : new Request(request, { body })
    const purchase = new Purchase(provider, options, send, again, hash, new Notes(provider, hash))
    return provider.inTurn(`fetch:${hash}`, () => purchase.run(response))
  }
}

/**
 * Gives up the payment that this very request has made without getting what it paid for: the next such request pays anew.
 * Takes what `fetch` would take. Money that is on its way still arrives. Resolves to the id of the payment, under which its
 * proof is kept for a talk with the merchant, or to null if nothing was open.
 */
export async function giveUp(provider: PaymentProvider, input: RequestInfo | URL, init?: RequestInit): Promise<Hex | null> {
  const request = new Request(input, init)
  const body = request.method === 'GET' ? new Uint8Array(0) : new Uint8Array(await request.arrayBuffer())
  const hash = await requestHash(request.method, withoutFragment(request.url), body)
  return provider.inTurn(`fetch:${hash}`, async () => {
    const notes = new Notes(provider, hash)
    const attempt = await notes.read()
    if (attempt === null) return null
    await notes.end(attempt, 'given_up')
    return attempt.id
  })
}

/** Whether the request was made without a body: one that was is asked for its stream, where there is one. */
function bodyless(request: Request): boolean {
  return request.method === 'GET' || request.body === null
}

function withoutFragment(url: string): string {
  return url.replace(/#.*$/s, '')
}

const BODY_MAX = 16 << 20
