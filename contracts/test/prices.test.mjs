// Every operation at prices between a tenth and three times today's, in every currency: TON, an extra currency, a jetton
// that asks for amounts of TON that stand in its code, and one that asks by the chain's prices. What a wallet or a master
// refuses at such prices arrives as soon as somebody pays for it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as cells from './lib/cells.mjs'
import { Channel, currencies, ton } from './lib/channel.mjs'
import { accepts } from './lib/expect.mjs'
import { GOVERNED, STANDARD, fund, jettonChannel } from './lib/jetton.mjs'
import { dictionaryOf, promises, resolvesOf } from './lib/promises.mjs'
import { repricedConfig } from './lib/world.mjs'

const FACTORS = { 0.1: [1n, 10n], 0.17: [17n, 100n], 0.5: [1n, 2n], 1: [1n, 1n], 3: [3n, 1n] }
const kinds = { TON: currencies.TON, extra: currencies.extra, 'standard jetton': { kind: STANDARD }, 'governed jetton': { kind: GOVERNED } }

/** What a node attaches that knows today's prices, at any. */
const at = ([times, by], amount) => (times > by ? (amount * times) / by : amount)

/** A funded channel, and what A and B have of its currency. */
async function opened(terms, factor) {
  const config = repricedConfig(factor, { forward: true })
  const storageFee = at(factor, ton('0.35'))
  if (!terms.kind) {
    const channel = await Channel.create({ ...terms, config, storageFee, fine: 300n })
    await accepts(() => channel.deploy({ value: storageFee + at(factor, ton('0.1')) }))
    const topUp = (isA, amount) => accepts(() => channel.topUp(isA, amount, { value: (terms.currency.kind === 'ton' ? amount : 0n) + at(factor, ton('0.07')) }))
    await topUp(true, 10_000n)
    await topUp(false, 5_000n)
    const { depositA, depositB } = channel.storage.balance
    return { channel, deposits: [depositA, depositB] }
  }
  const channel = await jettonChannel({ kind: terms.kind, config, storageFee })
  await accepts(() => channel.deploy({ value: storageFee + at(factor, ton('0.1')) }))
  for (const [isA, amount] of [[true, 10_000n], [false, 5_000n]]) {
    await fund(channel, isA, amount, { forward: at(factor, ton('0.05')), value: at(factor, ton('0.3')) })
  }
  const { depositA, depositB } = channel.storage.balance
  return { channel, deposits: [depositA, depositB] }
}

/** What a side has got in the channel's currency. */
function received(channel, isA) {
  const who = isA ? channel.a : channel.b
  const { kind, id } = channel.terms.currency
  if (kind === 'jetton') return channel.jetton.balanceOf(who) - 1_000_000n + (isA ? 10_000n : 5_000n)
  return kind === 'extra' ? channel.world.extraReceivedBy(who, id) : channel.world.tonReceivedBy(who)
}

/** Whoever wants a claim paid brings enough for it, and gets back what was not needed. */
async function claimed(channel) {
  if (channel.terms.currency.kind !== 'jetton') return
  for (const [index, isA] of [true, false].entries()) {
    if (channel.storage.claims[index] === 0n) continue
    const before = channel.world.tonReceivedBy(channel.stranger)
    await accepts(() => channel.claim(isA, { value: ton('2') }))
    assert.equal(channel.storage.claims[index], 0n, 'a claim that was paid for came back')
    assert.ok(channel.world.tonReceivedBy(channel.stranger) - before > ton('1.6'), 'what was not needed is lost')
  }
}

for (const [name, terms] of Object.entries(kinds)) {
  for (const [factor, fraction] of Object.entries(FACTORS)) {
    test(`${name}: all that a channel can do arrives at prices ${factor} times today's`, async () => {
      const { channel, deposits } = await opened(terms, fraction)
      const { world } = channel
      const isTon = channel.terms.currency.kind === 'ton'
      const value = at(fraction, ton('0.4'))
      const list = promises(2, { capacity: 1_000n, amount: 500n, fee: 1n })
      const dict = dictionaryOf(list)
      const funded = world.snapshot()

      if (!isTon) assert.deepEqual(deposits, [10_000n, 5_000n])
      world.inbox.clear()
      await accepts(() => channel.commit({ sentA: 2_000n, withdrawA: 1_000n, withdrawB: 500n }, { value }))
      await claimed(channel)
      assert.deepEqual([received(channel, true), received(channel, false)], [1_000n, 500n])
      await accepts(() => channel.close({ sentA: 2_000n, seqnoA: 2, seqnoB: 2 }, { value }))
      await claimed(channel)
      assert.equal(channel.storage.inited, false)
      if (!isTon) assert.deepEqual([received(channel, true), received(channel, false)], [8_000n, 7_000n])
      else assert.equal(received(channel, false), deposits[1] + 2_000n)

      world.restore(funded)
      await accepts(() => channel.start({ byA: true, theirs: { own: { seqno: 1, sent: 10n, hash: cells.rootHash(dict) } } }, { value }))
      await accepts(() => channel.challenge({ byA: false, theirs: { own: { seqno: 1, sent: 20n } } }, { value }))
      world.now += channel.terms.quarantine
      await accepts(() => channel.settle({ fromA: true, dict, resolves: resolvesOf(list) }, { value }))
      world.now += channel.terms.settle
      world.inbox.clear()
      await accepts(() => channel.finish({ value }))
      await claimed(channel)
      if (!isTon) assert.deepEqual([received(channel, true), received(channel, false)], [10_992n, 4_008n])
      else assert.equal(received(channel, false), deposits[1] - 992n)
    })
  }
}

test('a master that asks for more than usual is asked again by whoever pays, and the channel works', async () => {
  const channel = await jettonChannel({ storageFee: ton('0.05'), config: repricedConfig([1n, 10n], { forward: true }) })
  // Just enough for the reserve and the least request.
  await accepts(() => channel.deploy({ value: ton('0.0531') }))
  await fund(channel, true, 100n, { forward: ton('0.06'), value: ton('0.3') })
  assert.equal(channel.storage.balance.depositA, 0n, 'the channel knows its wallet already')
  await accepts(() => channel.claim(true, { value: ton('0.1') }))
  await fund(channel, true, 100n, { forward: ton('0.06'), value: ton('0.3') })
  assert.equal(channel.storage.balance.depositA, 100n)
})

test('what a commit is refused for want of TON arrives with a claim at any price', async () => {
  for (const [factor, fraction] of Object.entries(FACTORS)) {
    const { channel } = await opened({ kind: STANDARD }, fraction)
    // No more than the contract asks for, which is counted in gas.
    const needed = (ton('0.172') * fraction[0]) / fraction[1]
    await accepts(() => channel.commit({ withdrawA: 1_000n, withdrawB: 500n }, { value: needed }))
    const refused = Number(factor) < 0.83
    assert.deepEqual(channel.storage.claims, refused ? [1_000n, 500n] : [0n, 0n])
    await claimed(channel)
    assert.deepEqual([received(channel, true), received(channel, false)], [1_000n, 500n])
  }
})
