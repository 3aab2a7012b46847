// Having a channel that can pay: what has to be there first, what is begun, and how long to wait for it.

import { friendlyAddress } from './address.js'
import { RillError } from './errors.js'
import type { Line, Running } from './running.js'
import { formatTon } from './ton.js'
import type { ChannelSummary, Hex, NodeEvent, Snapshot } from './types.js'

export interface WaitOptions {
  /** How long to wait in all. Default: 2 minutes for a channel, 10 minutes for coins. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

/** What is asked of a handle. */
interface Node {
  readonly relay: Hex
  snapshot(): Promise<Snapshot>
  on(listener: (event: NodeEvent) => void): () => void
}

/** Waits for an open channel with `peer` that holds `deposit` of ours, and begins what is missing. */
export async function openChannel(
  node: Node,
  running: Running,
  peer: Hex,
  deposit: bigint,
  options: WaitOptions,
): Promise<ChannelSummary> {
  const opening = new Opening(node, running, peer, deposit)
  const stop = node.on((event) => opening.heard(event))
  try {
    return await until(node, () => opening.look(), options, CHANNEL_MS, () => opening.late())
  } finally {
    stop()
  }
}

export function waitForCoins(node: Node, running: Running, amount: bigint, options: WaitOptions): Promise<true> {
  const blind = new Patience(LINE_MS)
  let seen: Snapshot | null = null
  const look = async () => {
    seen = await node.snapshot()
    const { balance } = seen.wallet
    if (balance !== null && BigInt(balance) >= amount) return true
    if (blind.over(balance === null && running.chain.online === false)) throw noChain(running.chain)
    return null
  }
  return until(node, look, options, COINS_MS, () =>
    seen === null || seen.wallet.balance === null ? noChain(running.chain) : missingCoins(seen, running.network, amount),
  )
}

class Opening {
  private begun = false
  private phase: ChannelSummary['phase'] | null = null
  /** What the node itself said that stands in the way. */
  private trouble: RillError | null = null
  private readonly alone = new Patience(LINE_MS)
  private readonly blind = new Patience(LINE_MS)
  private readonly poor = new Patience(LACK_MS)

  constructor(
    private readonly node: Node,
    private readonly running: Running,
    private readonly peer: Hex,
    private readonly deposit: bigint,
  ) {}

  heard(event: NodeEvent): void {
    if (event.type !== 'trouble' || !this.begun) return
    const refusal = `node ${this.peer} did not open the channel: `
    if (event.reason.startsWith(refusal)) {
      const why = event.reason.slice(refusal.length)
      this.trouble = new RillError('channel_refused', `the other node does not open a channel with this one: ${why}`, { retry: 'after' })
    }
  }

  /** The channel when it can pay; null while there is something to wait for. */
  async look(): Promise<ChannelSummary | null> {
    const snapshot = await this.node.snapshot()
    const channels = snapshot.channels.filter((channel) => channel.peer === this.peer && channel.phase !== 'closed')
    const ready = channels.find((channel) => channel.phase === 'open' && BigInt(channel.deposited) >= this.deposit)
    if (ready !== undefined) return ready
    this.phase = channels[0]?.phase ?? null
    if (this.trouble !== null) throw this.trouble
    if (this.begun || !this.mayBegin(snapshot, channels)) return null
    await this.running.core.openChannel(this.peer, String(this.deposit))
    this.begun = true
    return null
  }

  /** What to say when the time is over. */
  late(): RillError {
    const { relay, chain } = this.running
    if (!this.begun) return relay.online === false && this.peer === this.node.relay ? noRelay(relay) : noChain(chain)
    const why =
      this.phase === null || this.phase === 'opening'
        ? 'the other node has not agreed yet'
        : chain.online === false
          ? 'the chain is not in sight'
          : 'the deposit is not on chain yet'
    const message = `the channel is being opened, but ${why}. It goes on by itself; the same call again waits for it and pays nothing twice`
    return new RillError('in_flight', message, { retry: 'same', moneyMayHaveMoved: true })
  }

  private mayBegin(snapshot: Snapshot, channels: readonly ChannelSummary[]): boolean {
    const { relay, chain } = this.running
    const away = this.peer === this.node.relay && relay.online !== true && !channels.some(({ online }) => online)
    if (this.alone.over(away)) throw noRelay(relay)
    const { balance, busy } = snapshot.wallet
    if (this.blind.over(balance === null && chain.online === false)) throw noChain(chain)
    if (away || balance === null || busy) return false

    const needed = cost(this.deposit, channels)
    const lacking = BigInt(balance) < needed
    // A deposit that has just left the wallet and is not seen in the channel yet looks like a lack of coins for a moment.
    const underWay = channels.some(({ phase }) => phase !== 'opening')
    if (this.poor.over(lacking) || (lacking && !underWay)) throw missingCoins(snapshot, this.running.network, needed)
    return !lacking
  }
}

/** Whether something lasts. */
class Patience {
  private since: number | null = null

  constructor(private readonly ms: number) {}

  over(now: boolean): boolean {
    if (!now) this.since = null
    else this.since ??= performance.now()
    return this.since !== null && performance.now() - this.since >= this.ms
  }
}

/** What the wallet must hold: what the deposit still lacks, the contract's own share, and fees. */
export function cost(deposit: bigint, channels: readonly ChannelSummary[]): bigint {
  const there = channels.reduce((most, { deposited }) => (BigInt(deposited) > most ? BigInt(deposited) : most), 0n)
  const deployed = channels.some(({ phase }) => phase === 'open')
  const lacking = deposit > there ? deposit - there : 0n
  return lacking + TOP_UP + WALLET_KEEPS + (deployed ? 0n : DEPLOY)
}

function missingCoins({ wallet }: Snapshot, network: string, needed: bigint): RillError {
  const has = BigInt(wallet.balance ?? 0)
  const amount = String(needed - has)
  const address = friendlyAddress(wallet.address, network)
  const message = `${formatTon(needed)} are needed, fees included, and the wallet holds ${formatTon(has)}: send ${formatTon(amount)} or more to ${address}`
  return new RillError('insufficient_balance', message, { retry: 'after', missing: { amount, address } })
}

function noRelay({ reason }: Line): RillError {
  return new RillError('relay_unreachable', `nothing was begun: the relay is not connected (${reason})`, { retry: 'after' })
}

function noChain({ reason }: Line): RillError {
  return new RillError('chain_unreachable', `nothing was begun: the chain is not in sight (${reason})`, { retry: 'after' })
}

/** Looks again whenever something happens, and once in a while. */
async function until<T>(
  node: Node,
  look: () => Promise<T | null>,
  { timeoutMs, signal }: WaitOptions,
  patience: number,
  late: () => RillError,
): Promise<T> {
  const end = performance.now() + (timeoutMs ?? patience)
  let wake: () => void = () => {}
  let news = false
  const ring = () => {
    news = true
    wake()
  }
  const stop = node.on(ring)
  signal?.addEventListener('abort', ring)
  try {
    for (;;) {
      signal?.throwIfAborted()
      news = false
      const found = await look()
      if (found !== null) return found
      const left = end - performance.now()
      if (left <= 0) throw late()
      if (news) continue
      await new Promise<void>((resolve) => {
        wake = resolve
        setTimeout(resolve, Math.min(left, LOOK_MS))
      })
    }
  } finally {
    stop()
    signal?.removeEventListener('abort', ring)
  }
}

/** The contract's storage and what its deployment may use; what is left over comes back. */
const DEPLOY = 500_000_000n
/** What the contract keeps of a top-up for handling it. */
const TOP_UP = 30_000_000n
/** What the wallet keeps for its own fees. */
const WALLET_KEEPS = 50_000_000n

const CHANNEL_MS = 120_000
const COINS_MS = 600_000
const LINE_MS = 10_000
const LACK_MS = 3_000
const LOOK_MS = 500
