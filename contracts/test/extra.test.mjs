// Channels for an extra currency: it comes with messages, leaves with messages, and none of it is lost on the way.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Channel, ton } from './lib/channel.mjs'
import { accepts, op, refuses } from './lib/expect.mjs'
import { openJettonChannel } from './lib/jetton.mjs'
import { dictionaryOf, promises, resolvesOf } from './lib/promises.mjs'
import * as cells from './lib/cells.mjs'
import { internal } from './lib/world.mjs'

const ID = 100
const terms = { currency: { kind: 'extra', id: ID }, storageFee: ton('0.35'), fine: 300n }
const open = (options = {}) => Channel.opened({ ...terms, depositA: 1000n, depositB: 500n, ...options })
const got = (channel, who, id = ID) => channel.world.extraReceivedBy(who, id)

test('a channel for an extra currency is funded, drawn from and closed', async () => {
  const channel = await open()
  const { world } = channel
  assert.equal(world.extra(channel.address, ID), 1500n)
  assert.deepEqual([channel.storage.shareA, channel.storage.shareB], [1000n, 500n])
  assert.equal(channel.balance, channel.terms.storageFee)

  await accepts(() => channel.commit({ sentA: 300n, withdrawA: 100n, withdrawB: 200n }, { value: ton('0.2') }))
  assert.deepEqual([got(channel, channel.a), got(channel, channel.b)], [100n, 200n])
  assert.equal(channel.balance, channel.terms.storageFee)

  await accepts(() => channel.close({ sentA: 300n, seqnoA: 2, seqnoB: 2 }))
  assert.deepEqual([got(channel, channel.a), got(channel, channel.b)], [700n, 800n])
  assert.equal(world.extra(channel.address, ID), 0n)
})

test('each share takes the same TON along, and what is left goes to A', async () => {
  const channel = await open()
  channel.world.inbox.clear()
  await accepts(() => channel.close({}))
  assert.equal(channel.world.tonReceivedBy(channel.b), ton('0.03'))
  assert.ok(channel.world.tonReceivedBy(channel.a) > ton('0.35'))
})

test('a dispute ends in shares of the extra currency', async () => {
  const channel = await open()
  const list = promises(2, { capacity: 100n, amount: 50n, fee: 1n })
  const dict = dictionaryOf(list)
  await accepts(() => channel.start({ byA: true, theirs: { own: { seqno: 1, sent: 10n, hash: cells.rootHash(dict) } } }))
  channel.world.now += channel.terms.quarantine
  await accepts(() => channel.settle({ fromA: true, dict, resolves: resolvesOf(list) }))
  channel.world.now += channel.terms.settle
  channel.world.inbox.clear()
  await accepts(() => channel.finish())
  assert.deepEqual([got(channel, channel.a), got(channel, channel.b)], [1112n, 388n])
})

test('a side that owes more than it has gives all it has, and no more', async () => {
  for (const [ofA, ofB, shares] of [[5_000n, 0n, [0n, 1500n]], [0n, 5_000n, [1500n, 0n]]]) {
    const channel = await open()
    await accepts(() => channel.start({ byA: true, theirs: { own: { seqno: 1, sent: ofB }, counterparty: { seqno: 1, sent: ofA } } }))
    channel.world.now += channel.terms.quarantine + channel.terms.settle
    await accepts(() => channel.finish())
    assert.deepEqual([got(channel, channel.a), got(channel, channel.b)], shares)
  }
})

test('a side without a share gets no message', async () => {
  const channel = await open()
  channel.world.inbox.clear()
  await accepts(() => channel.close({ sentB: 500n }))
  assert.equal(got(channel, channel.a), 1500n)
  assert.equal(channel.world.receivedBy(channel.b).length, 0)
})

test('without a share A gets the TON that is left, and none of the currency', async () => {
  const channel = await open()
  channel.world.inbox.clear()
  await accepts(() => channel.close({ sentA: 1000n }))
  assert.equal(got(channel, channel.b), 1500n)
  const [message] = channel.world.receivedBy(channel.a)
  assert.equal(message.info.value.other?.size ?? 0, 0)
})

test('a foreign currency that came by mistake goes to A, also when there is nothing else', async () => {
  for (const deposit of [0n, 1000n]) {
    const channel = await open({ depositA: deposit, depositB: deposit })
    await channel.world.send(internal({ from: channel.stranger, to: channel.address, value: ton('1'), bounce: false, extra: { 9: 50n } }))
    await accepts(() => channel.close({}))
    assert.deepEqual([got(channel, channel.a), got(channel, channel.b), got(channel, channel.a, 9)], [deposit, deposit, 50n])
  }
})

/** Dust of many kinds that somebody sends, two in a message at most. */
async function strew(channel, kinds) {
  for (let id = 1; id <= kinds; id += 2) {
    const extra = id < kinds ? { [id]: 1n, [id + 1]: 1n } : { [id]: 1n }
    await channel.world.send(internal({ from: channel.stranger, to: channel.address, value: ton('0.001'), bounce: false, extra }))
  }
  for (let id = 1; id <= kinds; id += 1) assert.equal(channel.world.extra(channel.address, id), 1n)
}

test('no dust of any number of kinds stops a close, a finish or a commit', async () => {
  const reach = {
    extra: [open, 1000n, 500n],
    TON: [options => Channel.opened(options), ton('10'), ton('5')],
    jetton: [options => openJettonChannel(options), 10_000n, 5_000n],
  }
  for (const [kind, [opened, shareA, shareB]] of Object.entries(reach)) {
    for (const kinds of [1, 2, 3, 40]) {
      const channel = await opened()
      await strew(channel, kinds)
      const there = channel.world.snapshot()
      await accepts(() => channel.commit({ withdrawA: 10n, withdrawB: 10n }, { value: ton('0.4') }))
      channel.world.restore(there)
      for (const end of [() => channel.close({}), () => channel.finish()]) {
        channel.world.restore(there)
        if (end.toString().includes('finish')) {
          await accepts(() => channel.start({ byA: true }))
          channel.world.now += channel.terms.quarantine + channel.terms.settle
        }
        channel.world.inbox.clear()
        await accepts(end)
        const of = (who, deposit) => {
          if (kind === 'jetton') return channel.jetton.balanceOf(who) - 1_000_000n + deposit
          return kind === 'extra' ? got(channel, who) : channel.world.tonReceivedBy(who)
        }
        assert.equal(of(channel.b, 5_000n), shareB)
        if (kind === 'TON') assert.ok(of(channel.a) > shareA)
        else assert.equal(of(channel.a, 10_000n), shareA)
        assert.ok(channel.world.receivedBy(channel.a).some(message => op(message) === cells.OP.closed), 'A hears of the end')
        // What one message can carry goes to A.
        assert.equal(got(channel, channel.a, 1), 1n)
        if (kinds > 1) assert.equal(got(channel, channel.a, 2), 1n)
      }
    }
  }
})

test('a top-up brings exactly the currency of the channel', async () => {
  const channel = await open({ depositA: 0n, depositB: 0n })
  const attempt = extra => refuses(channel, 121, () => channel.topUp(true, 5n, { extra }))
  await attempt({})
  await attempt({ 7: 5n })
  await attempt({ [ID]: 5n, 7: 5n })
  await attempt({ 7: 5n, [ID]: 5n, 200: 1n })
  await accepts(() => channel.topUp(false, 5n, { value: ton('0.02') }))
  assert.equal(channel.storage.balance.depositB, 5n)
})

test('a refused top-up sends everything back', async () => {
  const channel = await open()
  await channel.start({ byA: true })
  channel.world.inbox.clear()
  await refuses(channel, 106, () => channel.topUp(true, 77n))
  assert.equal(got(channel, channel.a), 77n)
  assert.equal(channel.world.extra(channel.address, ID), 1500n)
})

test('an amount beyond a Coins field is refused and comes back', async () => {
  const channel = await open({ depositA: 0n, depositB: 0n })
  channel.world.inbox.clear()
  const huge = 1n << 121n
  const receipt = await channel.topUp(true, huge)
  assert.equal(receipt.exitCode, 5)
  assert.equal(got(channel, channel.a), huge)
})

test('ids above the signed range work', async () => {
  const id = 0xfffffffe
  const channel = await Channel.opened({ ...terms, currency: { kind: 'extra', id }, depositA: 1000n, depositB: 500n })
  await accepts(() => channel.close({ sentA: 100n }))
  assert.deepEqual([got(channel, channel.a, id), got(channel, channel.b, id)], [900n, 600n])
})

test('init asks for a reserve that pays for both shares', async () => {
  const poor = await Channel.create({ ...terms, storageFee: ton('0.07') })
  assert.equal((await poor.deploy()).exitCode, 123)
  const rich = await Channel.create({ ...terms, storageFee: ton('0.07') + 1n })
  await accepts(() => rich.deploy())
})

test('rent that has eaten the reserve is paid by whoever closes', async () => {
  const channel = await open()
  channel.world.edit(channel.address, account => { account.storage.balance.coins = 0n })
  await refuses(channel, 119, () => channel.close({}, { value: ton('0.0719') }))
  await accepts(() => channel.close({}, { value: ton('0.072') }))
  assert.deepEqual([got(channel, channel.a), got(channel, channel.b)], [1000n, 500n])
})

test('a withdrawal is paid for by who asks for it', async () => {
  const channel = await open()
  await refuses(channel, 119, () => channel.commit({ withdrawA: 1n }, { value: ton('0.0419') }))
  await accepts(() => channel.commit({ withdrawA: 1n }, { value: ton('0.042') }))
  await refuses(channel, 119, () => channel.commit({ withdrawA: 2n, withdrawB: 1n, seqnoA: 2, seqnoB: 2 }, { value: ton('0.0719') }))
  assert.equal(channel.balance, channel.terms.storageFee)
})
