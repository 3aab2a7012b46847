// The shapes that a node reports, as it serialises them. Amounts are decimal strings of nano TON, keys and ids
// lower-case hex of 32 bytes, addresses lower-case hex in workchain 0.

/** Decimal string of nano TON (1 TON = 1,000,000,000). */
export type Nano = string
/** Lower-case hex. */
export type Hex = string

/** `ready`: both sides have signed, the contract is not on chain yet. Value moves only when `open`. */
export type ChannelPhase = 'opening' | 'ready' | 'open' | 'closed'

export interface ChannelSummary {
  /** Account id of the contract; empty while the terms are not agreed. */
  readonly address: Hex
  readonly peer: Hex
  readonly phase: ChannelPhase
  /** The peer is connected and has proved its key. */
  readonly online: boolean
  /** What this node can spend now. */
  readonly balance: Nano
  readonly their_balance: Nano
  /** Promised in payments under way. */
  readonly locked: Nano
  readonly their_locked: Nano
  readonly deposited: Nano
  readonly their_deposited: Nano
  readonly sent: Nano
  readonly their_sent: Nano
  readonly seqno: number
  readonly their_seqno: number
  readonly conditionals: number
  readonly their_conditionals: number
}

/**
 * `reserved`: durable here; `locked`: the first node accepted it; `sent`: the receiver is paid;
 * `settled`: nothing is left to do; `returning`: refused, see `reason`, but whoever holds the promise can claim it until
 * `locked_until`, so that paying anew before may pay twice; `failed`: refused or expired, and nobody can claim it any more.
 */
export type PaymentState = 'reserved' | 'locked' | 'sent' | 'settled' | 'returning' | 'failed'

export interface PaymentSummary {
  readonly id: Hex
  /** The virtual key. */
  readonly key: Hex
  readonly to: Hex
  readonly amount: Nano
  readonly fee: Nano
  readonly state: PaymentState
  readonly reason: string | null
  /** Unix milliseconds. */
  readonly started: number
  /** Unix milliseconds of the proof that the receiver was paid, or of the refusal. */
  readonly finished: number | null
  /** Unix seconds until which the amount of a payment that is not settled is not spendable. */
  readonly locked_until: number | null
}

export interface ReceivedSummary {
  readonly key: Hex
  readonly amount: Nano
  readonly instruction: Hex
  readonly at: number
  readonly settled: boolean
}

export interface WalletSummary {
  readonly address: Hex
  /** Null until the chain was seen. */
  readonly balance: Nano | null
  readonly busy: boolean
}

export interface Snapshot {
  readonly node: Hex
  readonly wallet: WalletSummary
  readonly channels: readonly ChannelSummary[]
  /** Newest first, at most 200. */
  readonly payments: readonly PaymentSummary[]
  readonly received: readonly ReceivedSummary[]
  readonly earned: Nano
}

export interface RouteHop {
  readonly node: Hex
  readonly fee: bigint | Nano
}

export interface PayOrder {
  /** 32 bytes, hex. The same id is the same payment for ever. */
  readonly id: Hex
  /** The nodes on the way, the receiver last. */
  readonly route: readonly RouteHop[]
  /** What the receiver gets. */
  readonly amount: bigint | Nano
}

/** Proof of payment: a signature that only the payer can make, and the keys that it names. */
export interface Proof {
  /** The virtual key. */
  readonly channel: Hex
  /** The last instruction key, which the receiver saw. */
  readonly instruction: Hex
  readonly signature: Hex
}

/** How far the node is on its way to work. */
export type NodePhase = 'starting' | 'restoring' | 'syncing' | 'ready' | 'degraded' | 'stopped' | 'error'

/** What a node tells of itself while it runs. Being told twice is harmless. */
export type NodeEvent =
  | { readonly type: 'phase'; readonly phase: NodePhase }
  | { readonly type: 'relay'; readonly online: boolean; readonly reason?: string }
  | { readonly type: 'chain'; readonly online: boolean; readonly block?: number; readonly reason?: string }
  | { readonly type: 'peer'; readonly node: Hex; readonly online: boolean }
  | ({ readonly type: 'channel' } & ChannelSummary)
  | ({ readonly type: 'payment' } & PaymentSummary)
  | ({ readonly type: 'received' } & ReceivedSummary)
  | ({ readonly type: 'wallet' } & WalletSummary)
  | { readonly type: 'trouble'; readonly reason: string }

/** What {@link wrapFetch} needs of a node. */
export interface PaymentProvider {
  /** CAIP-2 name of the chain, e.g. `tvm:-3`. */
  readonly network: string
  /** Random name of this life of the node: another one after the page was closed and opened again. */
  readonly session: string
  snapshot(): Promise<Snapshot>
  /** Starts a payment, or finds the one with this id. Resolves when it is durable, not when it has arrived. */
  pay(order: PayOrder): Promise<PaymentSummary>
  /** @throws {@link RillError} `not_found` */
  payment(id: Hex): Promise<PaymentSummary>
  /** Waits until a payment is sent, settled or failed; after `timeoutMs` resolves with whatever it is then. */
  finished(id: Hex, timeoutMs: number, signal?: AbortSignal): Promise<PaymentSummary>
  /** Signs 32 bytes with the last instruction key of a payment. */
  provePayment(id: Hex, digest: Uint8Array): Promise<Proof>
  /** Ed25519. */
  verify(key: Hex, message: Uint8Array, signature: Hex): boolean
  /** Keeps a short text for ever, or deletes it; resolves when that is durable. */
  remember(name: string, text: string | null): Promise<void>
  recall(name: string): Promise<string | null>
  /** Runs works of one name strictly one after another. */
  inTurn<T>(name: string, work: () => Promise<T>): Promise<T>
}
