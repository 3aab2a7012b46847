// Stories of opening a node and a channel, over a core that does as it is told: who shares what, what is refused before
// anything is begun, and what somebody is told who has to do something.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { friendlyAddress, readAddress } from '../src/address.js'
import type { Core } from '../src/core.js'
import { RillError } from '../src/errors.js'
import type { ErrorCode } from '../src/errors.js'
import { Page } from '../src/page.js'
import type { OpenOptions } from '../src/page.js'
import type { ChannelSummary, NodeEvent, Snapshot } from '../src/types.js'
import type { CoreOptions } from '../src/wasm/core.js'

const RELAY = 'aa'.repeat(32)
const TON = 1_000_000_000n
const OPTIONS: OpenOptions = { invitation: 'rill://relay', passphrase: 'right' }

/** A core whose world is in the hands of the test. */
class FakeCore implements Core {
  readonly relay = RELAY
  readonly orders: string[] = []
  balance: bigint | null = 20n * TON
  busy = false
  channels: Partial<ChannelSummary>[] = []
  closings = 0
  close: () => Promise<void> = () => {
    this.closings += 1
    return Promise.resolve()
  }

  constructor(readonly options: CoreOptions) {}

  tell(event: NodeEvent): void {
    this.options.onEvent(event)
  }

  /** Relay and chain are there. */
  online(): void {
    this.tell({ type: 'relay', online: true })
    this.tell({ type: 'chain', online: true, block: 1 })
  }

  snapshot(): Promise<Snapshot> {
    const wallet = { address: 'cc'.repeat(32), balance: this.balance === null ? null : String(this.balance), busy: this.busy }
    return Promise.resolve({ wallet, channels: this.channels, payments: [], received: [] } as unknown as Snapshot)
  }

  openChannel(peer: string, deposit: string): Promise<null> {
    this.orders.push(`${peer.slice(0, 2)} ${deposit}`)
    return Promise.resolve(null)
  }

  pay = () => Promise.reject(new Error('not in this story'))
  payment = this.pay
  provePayment = this.pay
  remember = () => Promise.resolve()
  recall = () => Promise.resolve(undefined)
  verify = () => false
}

interface Scene {
  readonly page: Page
  readonly cores: FakeCore[]
  readonly fault: { next: unknown }
}

function story(name: string, act: (scene: Scene) => Promise<void>): void {
  void test(name, async () => {
    const cores: FakeCore[] = []
    const fault: { next: unknown } = { next: null }
    const page = new Page(async (options) => {
      await new Promise((wake) => setTimeout(wake, 1))
      const { next } = fault
      fault.next = null
      if (next !== null) throw next
      const core = new FakeCore(options)
      cores.push(core)
      return core
    })
    await act({ page, cores, fault })
  })
}

async function fails(asking: Promise<unknown>, code: ErrorCode, moneyMayHaveMoved = false): Promise<RillError> {
  const error = await asking.then(
    () => assert.fail(`no error, expected ${code}`),
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof RillError, `expected a RillError, got ${String(error)}`)
  assert.equal(error.code, code, error.message)
  assert.equal(error.moneyMayHaveMoved, moneyMayHaveMoved)
  return error
}

async function opened({ page, cores }: Scene): Promise<{ node: Awaited<ReturnType<Page['open']>>; core: FakeCore }> {
  const node = await page.open(OPTIONS)
  const core = cores.at(-1)
  assert.ok(core !== undefined)
  core.online()
  return { node, core }
}

const channel = (phase: ChannelSummary['phase'], deposited: bigint): Partial<ChannelSummary> => ({
  peer: RELAY,
  phase,
  deposited: String(deposited),
  online: true,
})

story('parts of a page that mount twice share one node, and the last to leave closes it', async ({ page, cores }) => {
  const [first, second] = await Promise.all([page.open(OPTIONS), page.open(OPTIONS)])
  assert.equal(cores.length, 1)
  assert.equal(first.session, second.session)
  await first.close()
  await first.close()
  assert.equal(cores[0]?.closings, 0)
  await fails(first.snapshot(), 'disconnected')
  assert.ok(await second.snapshot())
  await second.close()
  assert.equal(cores[0]?.closings, 1)
})

story('works of one name take turns, whichever handle they come from', async ({ page }) => {
  const [first, second] = await Promise.all([page.open(OPTIONS), page.open(OPTIONS)])
  let at = 0
  const work = async () => {
    const before = at
    await new Promise((wake) => setTimeout(wake, 2))
    at = before + 1
  }
  await Promise.all([first.inTurn('x', work), second.inTurn('x', work), first.inTurn('x', work)])
  assert.equal(at, 3)
})

story('who opens while the node is closing waits and gets a new life of it', async ({ page, cores }) => {
  const first = await page.open(OPTIONS)
  const [core] = cores
  assert.ok(core !== undefined)
  let closed: () => void = () => {}
  core.close = () => new Promise<void>((resolve) => (closed = resolve))
  const closing = first.close()
  const opening = page.open(OPTIONS)
  await new Promise((wake) => setTimeout(wake, 10))
  assert.equal(cores.length, 1)
  closed()
  await closing
  const second = await opening
  assert.equal(cores.length, 2)
  assert.notEqual(second.session, first.session)
})

story('a node that stops by itself is opened anew', async ({ page, cores }) => {
  const first = await page.open(OPTIONS)
  cores[0]?.tell({ type: 'phase', phase: 'error' })
  const second = await page.open(OPTIONS)
  assert.equal(cores.length, 2)
  assert.notEqual(second.session, first.session)
  await fails(first.snapshot(), 'disconnected')
})

story('a wrong passphrase does not open a node that already runs', async ({ page, cores }) => {
  await page.open(OPTIONS)
  await fails(page.open({ ...OPTIONS, passphrase: 'wrong' }), 'wrong_passphrase')
  assert.equal((await page.open({ ...OPTIONS, passphrase: 'right' })).network, 'tvm:-3')
  assert.equal(cores.length, 1)
})

story('a node that runs is not quietly given another relay', async ({ page }) => {
  await page.open(OPTIONS)
  const error = await fails(page.open({ ...OPTIONS, invitation: 'rill://other' }), 'bad_request')
  assert.match(error.message, /another invitation/)
})

story('what one opener did wrong is not the fate of another', async ({ page, fault }) => {
  fault.next = { code: 'wrong_passphrase', message: 'no', retry: 'new', moneyMayHaveMoved: false }
  const [wrong, right] = await Promise.allSettled([page.open({ ...OPTIONS, passphrase: 'wrong' }), page.open(OPTIONS)])
  assert.equal(wrong.status === 'rejected' && (wrong.reason as RillError).code, 'wrong_passphrase')
  assert.equal(right.status, 'fulfilled')
})

story('other networks and databases are other nodes', async ({ page, cores }) => {
  await page.open(OPTIONS)
  await page.open({ ...OPTIONS, database: 'savings' })
  await page.open({ ...OPTIONS, network: 'tvm:-239' })
  assert.equal(cores.length, 3)
})

story('a start that fails has moved no money, whatever it fails with', async ({ page, fault, cores }) => {
  for (const next of [new TypeError('the page is odd'), { code: 'not_leader', message: 'elsewhere', retry: 'after' }]) {
    fault.next = 'code' in next ? { ...next, moneyMayHaveMoved: false } : next
    await fails(page.open(OPTIONS), 'code' in next ? 'not_leader' : 'internal')
  }
  await page.open(OPTIONS)
  assert.equal(cores.length, 1)
})

story('a listener hears how things stand, however late it comes, and one that throws harms nobody', async (scene) => {
  await opened(scene)
  const heard: string[] = []
  const silent = console.error
  console.error = () => {}
  try {
    await scene.page.open({
      ...OPTIONS,
      onEvent: () => {
        throw new Error('a fault of the page')
      },
    })
    await scene.page.open({ ...OPTIONS, onEvent: (event) => heard.push(event.type) })
    scene.cores[0]?.tell({ type: 'trouble', reason: 'news' })
  } finally {
    console.error = silent
  }
  assert.deepEqual(heard, ['relay', 'chain', 'trouble'])
})

const wrong: [string, Record<string, unknown>, RegExp][] = [
  ['no passphrase', { passphrase: undefined }, /`passphrase` must be a string/],
  ['an empty passphrase', { passphrase: '' }, /`passphrase` is empty/],
  ['no invitation', { invitation: undefined }, /`invitation` must be a string/],
  ['an invitation that is an address object', { invitation: new URL('https://relay.example') }, /`invitation` must be a string/],
  ['a network that nobody knows', { network: 'testnet' }, /known are tvm:-3 and tvm:-239/],
  ['a network that is spelt differently', { network: 'tvm:-03' }, /known are/],
  ['a database without a name', { database: '' }, /`database` is empty/],
  ['a listener that is none', { onEvent: 'log' }, /`onEvent` must be a function/],
]
for (const [what, change, words] of wrong) {
  story(`opening with ${what} is a bad request that begins nothing`, async ({ page, cores }) => {
    const error = await fails(page.open({ ...OPTIONS, ...change } as OpenOptions), 'bad_request')
    assert.match(error.message, words)
    assert.equal(cores.length, 0)
  })
}

story('wrong arguments of a node are bad requests that move no money', async (scene) => {
  const { node, core } = await opened(scene)
  const untyped = node as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>
  const calls: [string, unknown[], RegExp][] = [
    ['openChannel', [undefined, 1n], /`peer`/],
    ['openChannel', ['0:abc', 1n], /`peer`/],
    ['openChannel', [RELAY], /`deposit`/],
    ['openChannel', [RELAY, 10], /write nano TON as a bigint, 10n/],
    ['openChannel', [RELAY, '1.5'], /`deposit`/],
    ['openChannel', [RELAY, -1n], /`deposit`/],
    ['openChannel', [RELAY, 0n], /zero/],
    ['pay', [], /payment order/],
    ['pay', [{ id: 'x', route: [], amount: 1n }], /`id`/],
    ['pay', [{ id: RELAY, route: [null], amount: 1n }], /route/],
    ['pay', [{ id: RELAY, route: [{ node: RELAY, fee: 0.5 }], amount: 1n }], /fee/],
    ['payment', [undefined], /`id`/],
    ['provePayment', [RELAY, 'digest'], /Uint8Array/],
    ['waitForCoins', [1], /bigint/],
    ['recall', [undefined], /`name`/],
  ]
  for (const [name, args, words] of calls) {
    const error = await fails(untyped[name]?.call(node, ...args) ?? Promise.resolve(), 'bad_request')
    assert.match(error.message, words, name)
  }
  assert.deepEqual(core.orders, [])
})

story('a channel is there when its contract is open and holds the deposit', async (scene) => {
  const { node, core } = await opened(scene)
  let done = false
  const opening = node.openChannel(RELAY, 10n * TON).then((found) => {
    done = true
    return found
  })
  const steps: [ChannelSummary['phase'], bigint][] = [['opening', 0n], ['ready', 0n], ['open', 0n], ['open', 9n * TON]]
  for (const [phase, deposited] of steps) {
    await new Promise((wake) => setTimeout(wake, 5))
    core.channels = [channel(phase, deposited)]
    core.tell({ type: 'channel', ...channel(phase, deposited) } as NodeEvent)
  }
  await new Promise((wake) => setTimeout(wake, 5))
  assert.equal(done, false)
  core.channels = [channel('open', 10n * TON)]
  core.tell({ type: 'wallet' } as NodeEvent)
  assert.equal((await opening).deposited, String(10n * TON))
  assert.deepEqual(core.orders, [`aa ${10n * TON}`])
})

story('a channel that is there already costs nothing and asks nothing', async (scene) => {
  const { node, core } = await opened(scene)
  core.balance = 0n
  core.channels = [channel('open', 10n * TON)]
  assert.equal((await node.openChannel(RELAY, 10n * TON)).phase, 'open')
  assert.deepEqual(core.orders, [])
})

story('without coins the error says how much to send, and where, and nothing is begun', async (scene) => {
  const { node, core } = await opened(scene)
  core.balance = TON
  const error = await fails(node.openChannel(RELAY, '10000000000'), 'insufficient_balance')
  assert.equal(error.retry, 'after')
  assert.deepEqual(error.missing, { amount: '9580000000', address: friendlyAddress('cc'.repeat(32), 'tvm:-3') })
  assert.match(error.message, /send 9\.58 TON or more to 0Q/)
  assert.deepEqual(core.orders, [])
  core.balance = 10_580_000_000n
  const late = await fails(node.openChannel(RELAY, '10000000000', { timeoutMs: 5 }), 'in_flight', true)
  assert.equal(late.retry, 'same')
  assert.deepEqual(core.orders, [`aa ${10n * TON}`])
})

story('of a top-up only the difference has to be in the wallet', async (scene) => {
  const { node, core } = await opened(scene)
  core.channels = [channel('open', 10n * TON)]
  core.balance = 4_700_000_000n
  const opening = node.openChannel(RELAY, 12n * TON)
  await new Promise((wake) => setTimeout(wake, 5))
  assert.deepEqual(core.orders, [`aa ${12n * TON}`])
  core.channels = [channel('open', 12n * TON)]
  core.tell({ type: 'wallet' } as NodeEvent)
  await opening
})

story('a relay that is not there is said so, and nothing is begun', async (scene) => {
  const { node, core } = await opened(scene)
  core.tell({ type: 'relay', online: false, reason: 'no connection' })
  const error = await fails(node.openChannel(RELAY, TON, { timeoutMs: 20 }), 'relay_unreachable')
  assert.match(error.message, /no connection/)
  assert.deepEqual(core.orders, [])
})

story('a chain that is not in sight is said so, and nothing is begun', async (scene) => {
  const { node, core } = await opened(scene)
  core.balance = null
  core.tell({ type: 'chain', online: false, reason: 'no connection' })
  for (const ask of [() => node.openChannel(RELAY, TON, { timeoutMs: 20 }), () => node.waitForCoins(TON, { timeoutMs: 20 })]) {
    const error = await fails(ask(), 'chain_unreachable')
    assert.match(error.message, /no connection/)
  }
  assert.deepEqual(core.orders, [])
})

story('a relay that refuses a channel is quoted', async (scene) => {
  const { node, core } = await opened(scene)
  const opening = node.openChannel(RELAY, TON)
  await new Promise((wake) => setTimeout(wake, 5))
  core.tell({ type: 'trouble', reason: `node ${RELAY} did not open the channel: too many channels` })
  assert.match((await fails(opening, 'channel_refused', false)).message, /too many channels/)
})

story('who gives up waiting gets their own reason back', async (scene) => {
  const { node } = await opened(scene)
  const leaving = new AbortController()
  const opening = node.openChannel(RELAY, TON, { signal: leaving.signal })
  const reason = new Error('enough')
  leaving.abort(reason)
  await assert.rejects(opening, (thrown) => thrown === reason)
})

story('coins are waited for', async (scene) => {
  const { node, core } = await opened(scene)
  core.balance = TON
  const error = await fails(node.waitForCoins(3n * TON, { timeoutMs: 5 }), 'insufficient_balance')
  assert.equal(error.missing?.amount, String(2n * TON))
  const waiting = node.waitForCoins(3n * TON)
  core.balance = 3n * TON
  core.tell({ type: 'wallet' } as NodeEvent)
  await waiting
})

void test('addresses are written and read as the wallets of the ecosystem do', () => {
  const nobody = '00'.repeat(32)
  assert.equal(friendlyAddress(nobody, 'tvm:-239'), 'UQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAJKZ')
  // The contract of a coin that everybody knows.
  const account = 'b113a994b5024a16719f69139328eb759596c38a25f59028b146fecdc3621dfe'
  const forms: [string, boolean][] = [
    ['EQCxE6mUtQJKFnGfaROTKOt1lZbDiiX1kCixRv7Nw2Id_sDs', false],
    ['EQCxE6mUtQJKFnGfaROTKOt1lZbDiiX1kCixRv7Nw2Id/sDs', false],
    [friendlyAddress(account, 'tvm:-239'), false],
    [friendlyAddress(account, 'tvm:-3'), true],
    [`0:${account.toUpperCase()}`, false],
  ]
  for (const [form, testOnly] of forms) assert.deepEqual(readAddress(` ${form}\n`), { account, testOnly })
  assert.ok(friendlyAddress(account, 'tvm:-3').startsWith('0Q'))
  const good = friendlyAddress(account, 'tvm:-3')
  for (const wrong of ['', 'nonsense', good.slice(1), `${good.slice(0, 20)}A${good.slice(21)}`, `-1:${account}`, `0:${account}0`]) {
    assert.equal(readAddress(wrong), null, wrong)
  }
})
