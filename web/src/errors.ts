// One class for everything that can go wrong. A program decides by `code`, `retry` and `moneyMayHaveMoved`;
// a person reads `message`, which says what to do.

/** Stable names of what went wrong. */
export type ErrorCode =
  | 'bad_challenge'
  | 'bad_request'
  | 'budget_exceeded'
  | 'chain_unreachable'
  | 'channel_refused'
  | 'disconnected'
  | 'duplicate'
  | 'expired'
  | 'in_flight'
  | 'insufficient_balance'
  | 'insufficient_capacity'
  | 'internal'
  | 'no_route'
  | 'not_found'
  | 'not_leader'
  | 'payment_failed'
  | 'relay_unreachable'
  | 'storage_corrupt'
  | 'storage_not_durable'
  | 'unsupported'
  | 'user_rejected'
  | 'verification_failed'
  | 'wrong_network'
  | 'wrong_passphrase'

/**
 * What helps:
 * `never`: nothing, as it stands; `same`: the very same call again, which never pays twice;
 * `after`: the same call, but later; `new`: a new call, nothing of this one is left.
 */
export type Retry = 'never' | 'same' | 'after' | 'new'

/** What a {@link RillError} carries besides its text. */
export interface ErrorDetails {
  readonly retry?: Retry
  /** Wait at least this long before `retry`. */
  readonly retryAfterMs?: number
  /** False only if it is certain that nothing was paid. */
  readonly moneyMayHaveMoved?: boolean
  readonly paymentId?: string
  readonly missing?: Missing
  readonly cause?: unknown
}

/** Coins that have to come first. */
export interface Missing {
  /** Decimal string of nano TON: at least this much. */
  readonly amount: string
  /** Where to send them, as wallets show addresses. */
  readonly address: string
}

/** The only error that this package throws on purpose. */
export class RillError extends Error {
  override readonly name = 'RillError'
  readonly code: ErrorCode
  readonly retry: Retry
  readonly retryAfterMs: number | undefined
  readonly moneyMayHaveMoved: boolean
  readonly paymentId: string | undefined
  /** With `insufficient_balance`, if coins in the wallet would help. */
  readonly missing: Missing | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.retry = details.retry ?? 'never'
    this.retryAfterMs = details.retryAfterMs
    this.moneyMayHaveMoved = details.moneyMayHaveMoved ?? false
    this.paymentId = details.paymentId
    this.missing = details.missing
  }
}

/**
 * Whatever was thrown, as a {@link RillError}: the node throws plain objects of the same shape. Of anything else only the
 * caller knows whether it can have moved money.
 */
export function asRillError(thrown: unknown, moneyMayHaveMoved = true): RillError {
  if (thrown instanceof RillError) return thrown
  if (typeof thrown === 'object' && thrown !== null && 'code' in thrown && typeof thrown.code === 'string') {
    const plain = thrown as { code: ErrorCode; message?: unknown; retry?: Retry; moneyMayHaveMoved?: unknown }
    return new RillError(plain.code, String(plain.message ?? plain.code), {
      retry: plain.retry ?? 'never',
      moneyMayHaveMoved: plain.moneyMayHaveMoved !== false,
      cause: thrown,
    })
  }
  const text = thrown instanceof Error ? thrown.message : String(thrown)
  return new RillError('internal', `the node stopped: ${text}; reload the page, it goes on from its last stored state`, {
    retry: 'same',
    moneyMayHaveMoved,
    cause: thrown,
  })
}
