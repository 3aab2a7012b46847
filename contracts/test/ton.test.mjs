// Opening, topping up, committing and closing a channel for TON: what each does, and how each is refused.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import core from '@ton/core'
import * as cells from './lib/cells.mjs'
import { Channel, TOP_UP_COST, ton } from './lib/channel.mjs'
import { op, refuses, values } from './lib/expect.mjs'
import { keyOf } from './lib/keys.mjs'

test('a channel is deployed, funded and closed, and every nanoton is accounted for', async () => {
  const channel = await Channel.create()
  const { world } = channel
  const deployed = await channel.deploy()
  assert.equal(deployed.exitCode, 0)
  assert.equal(channel.balance, channel.terms.storageFee)
  assert.equal(channel.storage.inited, true)

  await channel.topUp(true, ton('10'))
  await channel.topUp(false, ton('5'))
  assert.equal(channel.balance, channel.terms.storageFee + ton('15'))
  assert.deepEqual(
    [channel.storage.balance.depositA, channel.storage.balance.depositB],
    [ton('10'), ton('5')],
  )

  world.inbox.clear()
  const closed = await channel.close({ sentA: ton('4'), sentB: ton('1') })
  assert.equal(closed.exitCode, 0)
  assert.deepEqual(closed.sent.map(op), [cells.OP.closed, cells.OP.closed])
  assert.equal(world.tonReceivedBy(channel.b), ton('8'))
  assert.ok(world.tonReceivedBy(channel.a) >= ton('7') + channel.terms.storageFee)
  assert.equal(channel.balance, 0n)
  assert.equal(channel.storage.inited, false)
  assert.deepEqual(channel.storage.balance, {
    depositA: 0n, depositB: 0n, withdrawA: 0n, withdrawB: 0n, sentA: 0n, sentB: 0n,
  })
})

test('B may deploy as well as A', async () => {
  const channel = await Channel.create()
  const receipt = await channel.deploy({ isA: false, key: channel.keyB })
  assert.equal(receipt.exitCode, 0)
  assert.equal(channel.storage.inited, true)
})

test('init is refused a second time, with a wrong signature, tag or id, and without the reserve', async () => {
  const open = await Channel.opened()
  await refuses(open, 100, () => open.deploy())

  const attempts = [
    [101, { key: keyOf('thief') }],
    [101, { isA: false }],
    [104, { tag: cells.TAG.close }],
    [114, { id: 5n }],
    [123, { value: ton('0.25') - 1n }],
  ]
  for (const [code, message] of attempts) {
    const fresh = await Channel.create()
    const receipt = await fresh.deploy(message)
    assert.equal(receipt.exitCode, code)
  }
  const exact = await Channel.create()
  assert.equal((await exact.deploy({ value: ton('0.25') })).exitCode, 0)
  const cheap = await Channel.create({ storageFee: ton('0.01') })
  assert.equal((await cheap.deploy({ value: ton('1') })).exitCode, 123)
  const least = await Channel.create({ storageFee: ton('0.01') + 1n })
  assert.equal((await least.deploy({ value: ton('1') })).exitCode, 0)
})

test('init refuses balances and seqnos that nobody earned', async () => {
  const balance = core.beginCell().storeCoins(ton('1')).storeUint(0, 20).endCell()
  const rich = await Channel.create({ over: { balance } })
  assert.equal((await rich.deploy()).exitCode, 102)
  const longer = core.beginCell().storeUint(0, 24).storeUint(0, 8).endCell()
  assert.equal((await (await Channel.create({ over: { balance: longer } })).deploy()).exitCode, 102)
  assert.equal((await (await Channel.create({ over: { committedB: 1 } })).deploy()).exitCode, 102)
  const quarantine = core.beginCell().storeUint(1, 64).endCell()
  assert.equal((await (await Channel.create({ over: { quarantine } })).deploy()).exitCode, 102)
})

test('a top-up is credited to its side less a fixed cost, and what is left of that comes back', async () => {
  const channel = await Channel.opened({ depositA: 0n, depositB: 0n })
  const before = channel.balance
  const receipt = await channel.topUp(false, ton('2'), { from: channel.a })
  assert.equal(receipt.exitCode, 0)
  assert.equal(channel.storage.balance.depositB, ton('2'))
  assert.equal(channel.balance, before + ton('2'))
  assert.deepEqual(receipt.sent.map(op), [cells.OP.excess])
  assert.ok(values(receipt.sent)[0] > ton('0.02'))
  assert.equal(receipt.sent[0].info.dest.toRawString(), channel.a.toRawString())
})

test('a top-up is refused before init and below its cost', async () => {
  const fresh = await Channel.create()
  const early = await fresh.topUp(true, ton('1'), { init: fresh.init })
  assert.equal(early.exitCode, 117)

  const channel = await Channel.opened()
  await refuses(channel, 119, () => channel.topUp(true, -1n))
  assert.equal((await channel.topUp(true, 0n)).exitCode, 0)
})

test('a commit pays out what the withdrawals have grown by, in full', async () => {
  const channel = await Channel.opened()
  const { world } = channel
  const before = channel.balance
  const first = await channel.commit({ sentA: ton('4'), withdrawA: ton('3'), withdrawB: ton('2') })
  assert.equal(first.exitCode, 0)
  assert.deepEqual(first.sent.map(op), [cells.OP.withdrawn, cells.OP.withdrawn, cells.OP.excess])
  assert.deepEqual(values(first.sent).slice(0, 2), [ton('2'), ton('3')])
  assert.equal(channel.balance, before - ton('5'))
  assert.deepEqual([channel.storage.shareA, channel.storage.shareB], [ton('3'), ton('7')])

  world.inbox.clear()
  const second = await channel.commit({ sentA: ton('4'), withdrawA: ton('3.5'), withdrawB: ton('2'), seqnoA: 7, seqnoB: 2 })
  assert.equal(second.exitCode, 0)
  assert.equal(world.tonReceivedBy(channel.a), ton('0.5'))
  assert.equal(world.tonReceivedBy(channel.b), 0n)
  assert.deepEqual([channel.storage.committedA, channel.storage.committedB], [7n, 2n])
})

test('a commit and a close are refused without both signatures, with a wrong tag or id, and with old seqnos', async () => {
  const channel = await Channel.opened()
  await channel.commit({ seqnoA: 5, seqnoB: 6 })
  for (const act of ['commit', 'close']) {
    await refuses(channel, 101, () => channel[act]({ seqnoA: 6, seqnoB: 7, keyA: keyOf('thief') }))
    await refuses(channel, 101, () => channel[act]({ seqnoA: 6, seqnoB: 7, keyB: undefined }))
    await refuses(channel, 104, () => channel[act]({ seqnoA: 6, seqnoB: 7, tag: cells.TAG.init }))
    await refuses(channel, 114, () => channel[act]({ seqnoA: 6, seqnoB: 7, id: 5n }))
    await refuses(channel, 108, () => channel[act]({ seqnoA: 5, seqnoB: 7 }))
    await refuses(channel, 108, () => channel[act]({ seqnoA: 6, seqnoB: 6 }))
  }
})

test('a commit and a close are refused when a side would be below zero', async () => {
  const channel = await Channel.opened()
  for (const act of ['commit', 'close']) {
    await refuses(channel, 118, () => channel[act]({ sentA: ton('10') + 1n }))
    await refuses(channel, 118, () => channel[act]({ sentB: ton('5') + 1n }))
  }
  await refuses(channel, 118, () => channel.commit({ withdrawB: ton('6') }))
  await channel.commit({ withdrawA: ton('1'), withdrawB: ton('1') })
  await refuses(channel, 127, () => channel.commit({ withdrawA: ton('0.9'), withdrawB: ton('1'), seqnoA: 2, seqnoB: 2 }))
  await refuses(channel, 127, () => channel.commit({ withdrawA: ton('1'), withdrawB: ton('0.9'), seqnoA: 2, seqnoB: 2 }))
})

test('a commit and a close are refused before init', async () => {
  for (const act of ['commit', 'close']) {
    const channel = await Channel.create()
    const receipt = await channel[act]({}, { init: channel.init })
    assert.equal(receipt.exitCode, 117)
  }
})

test('a commit without enough TON for its fees is refused, and nothing leaves the channel', async () => {
  const channel = await Channel.opened()
  await refuses(channel, 119, () => channel.commit({ withdrawA: ton('1') }, { value: ton('0.0119') }))
  assert.equal((await channel.commit({ withdrawA: ton('1'), withdrawB: ton('1') }, { value: ton('0.012') })).exitCode, 0)
})

test('a commit leaves what both sides have, to the nanoton', async () => {
  const channel = await Channel.opened()
  const cost = ton('0.012')
  const setBalance = coins => channel.world.edit(channel.address, account => { account.storage.balance.coins = coins })
  setBalance(ton('15') - 1n)
  await refuses(channel, 119, () => channel.commit({ withdrawA: ton('1') }, { value: cost }))
  setBalance(ton('15'))
  assert.equal((await channel.commit({ withdrawA: ton('1') }, { value: cost })).exitCode, 0)
})

test('whoever brings what rent has taken can withdraw, and leaves the other side whole', async () => {
  // Rent has taken the reserve and 1 TON of the 15 that belong to the sides, then even 6.
  for (const left of ['14', '9']) {
    const missing = ton('15') - ton(left)
    const channel = await Channel.opened()
    channel.world.edit(channel.address, account => { account.storage.balance.coins = ton(left) })
    channel.world.inbox.clear()
    await refuses(channel, 119, () => channel.commit({ withdrawA: ton('10') }, { value: missing + ton('0.0119') }))
    const receipt = await channel.commit({ withdrawA: ton('10') }, { value: missing + ton('0.012') })
    assert.equal(receipt.exitCode, 0)
    assert.equal(channel.world.tonReceivedBy(channel.a), ton('10'))
    assert.equal(channel.balance, ton('5'))
  }
})

test('a currency with anything behind it is refused at init', async () => {
  const tails = [builder => builder.storeBit(0), builder => builder.storeUint(100, 32), builder => builder.storeRef(cells.Cell.EMPTY)]
  const jetton = { kind: 'jetton', master: Channel.master }
  for (const currency of [{ kind: 'ton' }, { kind: 'extra', id: 100 }, jetton]) {
    for (const behind of tails) {
      const channel = await Channel.create({ currency: { ...currency, behind }, storageFee: ton('0.35') })
      assert.equal((await channel.deploy()).exitCode, 9)
    }
  }
})

test('rent that has eaten the reserve is paid by whoever closes, never by a share', async () => {
  const channel = await Channel.opened()
  channel.world.edit(channel.address, account => { account.storage.balance.coins = ton('14.9') })
  await refuses(channel, 119, () => channel.close({}, { value: ton('0.11') }))
  channel.world.inbox.clear()
  const receipt = await channel.close({}, { value: ton('0.112') })
  assert.equal(receipt.exitCode, 0)
  assert.equal(channel.world.tonReceivedBy(channel.b), ton('5'))
  assert.ok(values(receipt.sent)[1] >= ton('10'))
})

test('a closed channel stays closed', async () => {
  const channel = await Channel.opened()
  await channel.close({ sentA: ton('1') })
  await refuses(channel, 100, () => channel.deploy())
  await refuses(channel, 117, () => channel.topUp(true, ton('1')))
  await refuses(channel, 117, () => channel.commit({ seqnoA: 2, seqnoB: 2 }))
  await refuses(channel, 117, () => channel.close({ seqnoA: 2, seqnoB: 2 }))
})

test('an unknown opcode, a comment and an empty body are refused, and the value comes back', async () => {
  const channel = await Channel.opened()
  for (const body of [
    core.beginCell().storeUint(0xdeadbeef, 32).endCell(),
    core.beginCell().storeUint(0, 32).storeStringTail('hello').endCell(),
  ]) {
    const receipt = await refuses(channel, 63, () => channel.send(body, { value: ton('1') }))
    assert.ok(values(receipt.sent)[0] > ton('0.99'))
  }
  const empty = await channel.send(core.Cell.EMPTY, { value: ton('1') })
  assert.equal(empty.ok, false)
  assert.ok(values(empty.sent)[0] > ton('0.99'))
})

test('rent that is due does not lock a channel that has nothing of its own', async () => {
  for (const bounce of [true, false]) {
    const channel = await Channel.opened({ currency: { kind: 'extra', id: 100 }, storageFee: ton('0.35'), depositA: 10n, depositB: 0n })
    channel.world.edit(channel.address, account => { account.storage.balance.coins = 0n })
    channel.world.now += 300 * 86400
    const receipt = await channel.start({ byA: true }, { value: ton('0.1'), bounce })
    assert.equal(receipt.exitCode, 0)
    assert.equal(receipt.ok, true)
  }
})
