// The package: a payment node that lives in this page, and a fetch that pays with it.

import { asRillError } from './errors.js'
import type {
  ChannelSummary,
  Hex,
  Nano,
  NodeEvent,
  PayOrder,
  PaymentProvider,
  PaymentSummary,
  Proof,
  Snapshot,
} from './types.js'
import init, { RillNode as Core } from './wasm/core.js'

export { RillError } from './errors.js'
export type { ErrorCode, ErrorDetails, Retry } from './errors.js'
export { giveUp, wrapFetch } from './fetch.js'
export type { Offer, PayingFetchOptions, Receipt } from './fetch.js'
export type * from './types.js'

/** What a node is opened with. */
export interface OpenOptions {
  /** How to reach a relay: the line that starts with `rill://`. */
  readonly invitation: string
  /** Opens the stored keys, or closes new ones in. It cannot be recovered. */
  readonly passphrase: string
  /** CAIP-2 name of the chain. Default: `tvm:-3`, the test network. */
  readonly network?: string
  /** Name of the database, for several nodes in one origin. Default: `wallet`. */
  readonly database?: string
  /** Called with everything that happens, from the start on. */
  readonly onEvent?: (event: NodeEvent) => void
  /** Where the module is. Default: beside this file. */
  readonly wasm?: URL | string | Response | BufferSource | WebAssembly.Module
}

/**
 * Opens the node of this page: the stored one, or a new one with fresh keys. It runs until {@link RillNode.close} or
 * until the page goes; what was durable goes on at the next opening.
 *
 * @example
 * const node = await openNode({ invitation, passphrase })
 * await node.openChannel(node.relay, 10_000_000_000n)
 *
 * @throws {@link RillError} `wrong_passphrase`, `not_leader` (it runs in another tab), `bad_request` (a wrong invitation),
 * `storage_not_durable`, `storage_corrupt`, `unsupported`
 */
export async function openNode(options: OpenOptions): Promise<RillNode> {
  const { network = 'tvm:-3', database = 'wallet', invitation } = options
  const listeners = new Set<(event: NodeEvent) => void>()
  if (options.onEvent !== undefined) listeners.add(options.onEvent)
  const onEvent = (event: NodeEvent) => {
    for (const listener of [...listeners]) listener(event)
  }
  const module_or_path = options.wasm ?? new URL('./wasm/core_bg.wasm', import.meta.url)
  try {
    await init({ module_or_path })
    // One text typed on different keyboards can be different code points.
    const passphrase = options.passphrase.normalize('NFKC')
    const core = await Core.open({ database, network, passphrase, invitation, onEvent })
    return new RillNode(core, network, listeners)
  } catch (thrown) {
    throw asRillError(thrown)
  }
}

/** A running node. All of its state is in the browser's database; this object can be thrown away at any time. */
export class RillNode implements PaymentProvider {
  readonly session: string = crypto.randomUUID()
  private readonly turns = new Map<string, Promise<unknown>>()

  /** @internal */
  constructor(
    private readonly core: Core,
    readonly network: string,
    private readonly listeners: Set<(event: NodeEvent) => void>,
  ) {}

  /** Node key of the relay that the invitation names. */
  get relay(): Hex {
    return this.core.relay
  }

  /** Whether the browser has promised not to throw our data away when space gets short. */
  async kept(): Promise<boolean> {
    return (await navigator.storage?.persisted?.()) ?? false
  }

  /** Calls `listener` with everything that happens from now on; the result stops that. */
  on(listener: (event: NodeEvent) => void): () => void {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }

  snapshot(): Promise<Snapshot> {
    return answer(this.core.snapshot())
  }

  /**
   * Has a channel with `peer` in which our deposit is at least this; opens one or tops it up from the wallet. Resolves
   * when that has begun; `channel` events tell how it goes on. Asks the browser first to keep our data, see
   * {@link RillNode.kept}.
   */
  async openChannel(peer: Hex, deposit: bigint | Nano): Promise<ChannelSummary | null> {
    await navigator.storage?.persist?.().catch(() => false)
    return answer(this.core.openChannel(peer, String(deposit)))
  }

  pay(order: PayOrder): Promise<PaymentSummary> {
    const route = order.route.map((hop) => ({ node: hop.node, fee: String(hop.fee) }))
    return answer(this.core.pay({ id: order.id, route, amount: String(order.amount) }))
  }

  payment(id: Hex): Promise<PaymentSummary> {
    return answer(this.core.payment(id))
  }

  async finished(id: Hex, timeoutMs: number, signal?: AbortSignal): Promise<PaymentSummary> {
    signal?.throwIfAborted()
    let wake: () => void = () => {}
    const news = new Promise<void>((resolve) => (wake = resolve))
    const over = (payment: PaymentSummary) => payment.state !== 'reserved' && payment.state !== 'locked'
    // Listen before looking, so that nothing happens in between.
    const stop = this.on((event) => {
      if (event.type === 'payment' && event.id === id && over(event)) wake()
    })
    const timer = setTimeout(wake, timeoutMs)
    signal?.addEventListener('abort', wake, { once: true })
    try {
      const payment = await this.payment(id)
      if (over(payment)) return payment
      await news
      signal?.throwIfAborted()
      return await this.payment(id)
    } finally {
      stop()
      clearTimeout(timer)
      signal?.removeEventListener('abort', wake)
    }
  }

  provePayment(id: Hex, digest: Uint8Array): Promise<Proof> {
    return answer(this.core.provePayment(id, digest))
  }

  verify(key: Hex, message: Uint8Array, signature: Hex): boolean {
    return this.core.verify(key, message, signature)
  }

  remember(name: string, text: string | null): Promise<void> {
    return answer(this.core.remember(name, text ?? undefined))
  }

  async recall(name: string): Promise<string | null> {
    return (await answer(this.core.recall(name))) ?? null
  }

  async inTurn<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.turns.get(name) ?? Promise.resolve()
    const mine = before.then(work, work)
    this.turns.set(name, mine)
    try {
      return await mine
    } finally {
      if (this.turns.get(name) === mine) this.turns.delete(name)
    }
  }

  /** Stops the node and lets another tab open it. */
  async close(): Promise<void> {
    await answer(this.core.close())
  }
}

/** The node throws plain objects; everybody else gets a {@link RillError}. */
async function answer<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked
  } catch (thrown) {
    throw asRillError(thrown)
  }
}
