// A running node, as programs use it.

import { friendlyAddress } from './address.js'
import { bad, key, listener as checkedListener, nano, text } from './arguments.js'
import type { Core } from './core.js'
import { asRillError } from './errors.js'
import { openChannel, waitForCoins } from './opening.js'
import type { WaitOptions } from './opening.js'
import { closed, tell } from './running.js'
import type { Running } from './running.js'
import type { ChannelSummary, Hex, Nano, NodeEvent, PayOrder, PaymentProvider, PaymentSummary, Proof, Snapshot } from './types.js'

/**
 * A handle on a running node. All of the node's state is in the browser's database; the handle can be thrown away at any
 * time.
 */
export class RillNode implements PaymentProvider {
  private readonly mine = new Set<(event: NodeEvent) => void>()
  private open = true

  /** @internal */
  constructor(
    private readonly running: Running,
    onEvent: ((event: NodeEvent) => void) | undefined,
  ) {
    running.hold()
    if (onEvent === undefined) return
    this.on(onEvent)
    for (const event of running.last.values()) tell(onEvent, event)
  }

  get session(): string {
    return this.running.session
  }

  get network(): string {
    return this.running.network
  }

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
    // A listener of its own for every call: two calls with one function are two.
    const own = (event: NodeEvent) => listener(event)
    checkedListener(listener, 'listener')
    if (this.open) {
      this.mine.add(own)
      this.running.listeners.add(own)
    }
    return () => {
      this.mine.delete(own)
      this.running.listeners.delete(own)
    }
  }

  async snapshot(): Promise<Snapshot> {
    return answer(this.core.snapshot(), false)
  }

  /** Where to send coins, as wallets show addresses. */
  async address(): Promise<string> {
    return friendlyAddress((await this.snapshot()).wallet.address, this.network)
  }

  /**
   * Has an open channel with `peer` in which our deposit is at least this: opens one, tops it up, or finds it. Resolves when
   * its contract is on chain and can pay. What was begun goes on by itself if this is given up or fails; the same call
   * again waits for it. Asks the browser first to keep our data, see {@link RillNode.kept}.
   *
   * @throws {@link RillError} `insufficient_balance`, with `missing`: how much to send, and where; `relay_unreachable`,
   * `chain_unreachable`, `channel_refused`, `in_flight`
   */
  async openChannel(peer: Hex, deposit: bigint | Nano, options: WaitOptions = {}): Promise<ChannelSummary> {
    const [to, amount] = [key(peer, 'peer'), BigInt(nano(deposit, 'deposit'))]
    if (amount === 0n) throw bad('`deposit` is zero: a channel without a deposit cannot pay')
    options.signal?.throwIfAborted()
    await globalThis.navigator?.storage?.persist?.().catch(() => false)
    return answer(openChannel(this, this.running, to, amount, options), true, options.signal)
  }

  /**
   * Waits until the wallet holds this much.
   *
   * @throws {@link RillError} `insufficient_balance`, with `missing`, when the time is over; `chain_unreachable`
   */
  async waitForCoins(amount: bigint | Nano, options: WaitOptions = {}): Promise<void> {
    await answer(waitForCoins(this, this.running, BigInt(nano(amount, 'amount')), options), false, options.signal)
  }

  async pay(order: PayOrder): Promise<PaymentSummary> {
    if (typeof order !== 'object' || order === null || !Array.isArray(order.route)) throw bad('a payment order has `id`, `route` and `amount`')
    const route = order.route.map((hop) => ({ node: key(hop?.node, 'route[].node'), fee: nano(hop?.fee, 'route[].fee') }))
    return answer(this.core.pay({ id: key(order.id, 'id'), route, amount: nano(order.amount, 'amount') }), true)
  }

  async payment(id: Hex): Promise<PaymentSummary> {
    return answer(this.core.payment(key(id, 'id')), false)
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

  async provePayment(id: Hex, digest: Uint8Array): Promise<Proof> {
    if (!(digest instanceof Uint8Array)) throw bad('`digest` must be a Uint8Array of 32 bytes')
    return answer(this.core.provePayment(key(id, 'id'), digest), false)
  }

  verify(key: Hex, message: Uint8Array, signature: Hex): boolean {
    return this.core.verify(key, message, signature)
  }

  async remember(name: string, words: string | null): Promise<void> {
    return answer(this.core.remember(text(name, 'name'), words ?? undefined), false)
  }

  async recall(name: string): Promise<string | null> {
    return (await answer(this.core.recall(text(name, 'name')), false)) ?? null
  }

  async inTurn<T>(name: string, work: () => Promise<T>): Promise<T> {
    const { turns } = this.running
    const before = turns.get(name) ?? Promise.resolve()
    const mine = before.then(work, work)
    turns.set(name, mine)
    try {
      return await mine
    } finally {
      if (turns.get(name) === mine) turns.delete(name)
    }
  }

  /** Lets the node go. With the last handle on it the node stops, and another tab can open it. */
  async close(): Promise<void> {
    if (!this.open) return
    this.open = false
    for (const listener of this.mine) this.running.listeners.delete(listener)
    this.mine.clear()
    await answer(this.running.release(), false)
  }

  private get core(): Core {
    if (!this.open) throw closed()
    return this.running.core
  }
}

/** The node throws plain objects; everybody else gets a {@link RillError}. */
async function answer<T>(asked: Promise<T>, spends: boolean, signal?: AbortSignal): Promise<T> {
  try {
    return await asked
  } catch (thrown) {
    if (signal?.aborted === true && thrown === signal.reason) throw thrown
    throw asRillError(thrown, spends)
  }
}
