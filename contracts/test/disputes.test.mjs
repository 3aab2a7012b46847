// Closing without the other side: what counts as evidence, who may answer and until when, who is fined, what is paid.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import core from '@ton/core'
import * as cells from './lib/cells.mjs'
import { Channel, ton } from './lib/channel.mjs'
import { accepts, op, refuses, values } from './lib/expect.mjs'
import { keyOf } from './lib/keys.mjs'
import { dictionaryOf, promises, resolvesOf } from './lib/promises.mjs'

const NOTHING = { seqno: 0, sent: 0n }
const body = (seqno, sent = 0n, hash = 0n) => ({ seqno, sent, hash })

/** B's newest state: its own ledger, and A's as B acknowledges it. */
const fromB = (ofB, ofA) => ({ own: ofB, counterparty: ofA })
const fromA = (ofA, ofB) => ({ own: ofA, counterparty: ofB })

/** Lets the dispute run out and pays; returns what A and B get of it. */
async function payOut(channel) {
  const { world } = channel
  world.now = channel.quarantine.starts + channel.terms.quarantine + channel.terms.settle
  world.inbox.clear()
  await accepts(() => channel.finish())
  const reserve = channel.terms.storageFee
  return { a: world.tonReceivedBy(channel.a), b: world.tonReceivedBy(channel.b), reserve }
}

/** A got its share and what was left of the reserve, within the fees of the last message. */
function assertShares({ a, b, reserve }, shareA, shareB) {
  assert.equal(b, shareB)
  const rest = a - shareA
  assert.ok(rest >= 0n && rest <= reserve + ton('0.05'), `A got ${rest} nanoton beyond its share`)
}

test('a dispute ends in the totals that both sides had signed', async () => {
  const channel = await Channel.opened()
  const receipt = await accepts(() =>
    channel.start({ byA: true, theirs: fromB(body(7, ton('1')), body(9, ton('3'))), ours: fromA(body(9, ton('3')), body(7, ton('1'))) }))
  assert.deepEqual(channel.quarantine, {
    a: body(9n, ton('3')), b: body(7n, ton('1')),
    starts: channel.world.now, byA: true, challenged: false, firstStart: channel.world.now,
    rankA: 2, finedA: false, rankB: 1, finedB: false,
  })
  assert.equal(receipt.sent.length, 1)
  assert.equal(op(receipt.sent[0]), cells.OP.excess)
  assertShares(await payOut(channel), ton('8'), ton('7'))
  assert.deepEqual([channel.storage.inited, channel.storage.committedA, channel.storage.committedB], [false, 10n, 8n])
})

test('B may start a dispute as well, and either side may finish, or a stranger', async () => {
  const channel = await Channel.opened()
  await accepts(() => channel.start({ byA: false, theirs: fromA(body(3, ton('2')), body(4, ton('0.5'))) }))
  assert.equal(channel.quarantine.byA, false)
  assertShares(await payOut(channel), ton('8.5'), ton('6.5'))
})

test('every step of a dispute tells the outside what is quarantined', async () => {
  const channel = await Channel.opened()
  const list = promises(1)
  const dict = dictionaryOf(list)
  const steps = [
    () => channel.start({ byA: true, theirs: fromB(body(1), NOTHING) }),
    () => channel.challenge({ byA: true, theirs: fromB(body(2, 0n, cells.rootHash(dict)), NOTHING) }),
    () => {
      channel.world.now += channel.terms.quarantine
      return channel.settle({ fromA: true, dict, resolves: resolvesOf(list) })
    },
  ]
  for (const step of steps) {
    const receipt = await accepts(step)
    assert.equal(receipt.events.length, 1)
    const event = receipt.events[0].body.beginParse()
    assert.equal(event.loadUint(32), cells.OP.dispute)
    assert.equal(event.loadUintBig(128), channel.id)
    assert.deepEqual(cells.readQuarantine(event.loadRef()), channel.quarantine)
  }
})

test('a deposit can be had back without any state of the other side', async () => {
  const channel = await Channel.opened({ depositB: 0n })
  await accepts(() => channel.start({ byA: true }))
  assert.deepEqual([channel.quarantine.a, channel.quarantine.b], [body(0n), body(0n)])
  assertShares(await payOut(channel), ton('10'), 0n)
})

test('after a commit the way out without a state begins from the committed totals', async () => {
  const channel = await Channel.opened()
  await channel.commit({ sentA: ton('4'), sentB: ton('1'), seqnoA: 5, seqnoB: 6, withdrawB: ton('2') })
  await accepts(() => channel.start({ byA: true }))
  assert.deepEqual([channel.quarantine.a, channel.quarantine.b], [body(5n, ton('4')), body(6n, ton('1'))])
  assertShares(await payOut(channel), ton('7'), ton('6'))
})

test('the other side answers an exit without states with what it holds', async () => {
  const channel = await Channel.opened()
  await channel.start({ byA: true })
  await accepts(() => channel.challenge({ byA: false, theirs: fromA(body(1, ton('6')), NOTHING) }))
  assert.deepEqual(channel.quarantine.a, body(1n, ton('6')))
  assert.equal(channel.quarantine.finedA, false)
  assertShares(await payOut(channel), ton('4'), ton('11'))
})

test('what a party signs about itself does not count', async () => {
  const channel = await Channel.opened()
  const promised = body(8, ton('3'), 77n)
  // A shows a newer ledger of its own in which the promise is gone; B has acknowledged none of it.
  await accepts(() =>
    channel.start({ byA: true, theirs: fromB(body(5), promised), ours: fromA(body(9, ton('3')), body(5)) }))
  assert.deepEqual(channel.quarantine.a, { ...promised, seqno: 8n })
})

test('a start is refused in a dispute, unsigned, for another channel, with a wrong tag and when it shows only the past', async () => {
  const channel = await Channel.opened()
  await channel.commit({ sentA: ton('1'), seqnoA: 5, seqnoB: 5 })
  const theirs = fromB(body(6), body(7))
  await refuses(channel, 101, () => channel.start({ byA: true, theirs, key: channel.keyB }))
  await refuses(channel, 104, () => channel.start({ byA: true, theirs, tag: cells.TAG.challenge }))
  await refuses(channel, 114, () => channel.start({ byA: true, theirs, id: 5n }))
  await refuses(channel, 101, () => channel.start({ byA: true, theirs: { ...theirs, key: channel.keyA } }))
  await refuses(channel, 101, () => channel.start({ byA: false, theirs: { ...theirs, key: keyOf('thief') } }))
  await refuses(channel, 104, () => channel.start({ byA: true, theirs: { ...theirs, tag: cells.TAG.init } }))
  await refuses(channel, 114, () => channel.start({ byA: true, theirs: { ...theirs, id: 5n } }))
  await refuses(channel, 105, () => channel.start({ byA: true, theirs: fromB(body(4), body(4)) }))
  await accepts(() => channel.start({ byA: true, theirs }))
  await refuses(channel, 106, () => channel.start({ byA: true, theirs: fromB(body(9), body(9)) }))
})

test('a state from before the last commit counts for nothing, but its acknowledgement may', async () => {
  const channel = await Channel.opened()
  await channel.commit({ sentA: ton('1'), seqnoA: 5, seqnoB: 5 })
  // B has not moved on since the commit, but has acknowledged a newer ledger of A.
  await accepts(() => channel.start({ byA: true, theirs: fromB(body(4, ton('4')), body(6, ton('2'))) }))
  assert.deepEqual([channel.quarantine.a, channel.quarantine.b], [body(6n, ton('2')), body(5n, 0n)])
})

test('a challenge raises both sides to the newest that is signed, and is refused when nothing is newer', async () => {
  const channel = await Channel.opened()
  await channel.start({ byA: true, theirs: fromB(body(5, ton('1')), body(5, ton('1'))) })
  await accepts(() => channel.challenge({ byA: false, theirs: fromA(body(6, ton('2')), body(6, ton('0.5'))) }))
  assert.deepEqual([channel.quarantine.a, channel.quarantine.b], [body(6n, ton('2')), body(6n, ton('0.5'))])
  assert.equal(channel.quarantine.challenged, true)
  assert.equal(channel.quarantine.byA, false)

  await refuses(channel, 105, () => channel.challenge({ byA: false, theirs: fromA(body(6, ton('2')), body(6, ton('0.5'))) }))
  await refuses(channel, 105, () => channel.challenge({ byA: true, theirs: fromB(body(5, ton('9')), body(5, ton('0'))) }))
  await refuses(channel, 105, () => channel.challenge({ byA: true }))
  // Only one side newer is enough, and the other side is not lowered.
  await accepts(() => channel.challenge({ byA: true, theirs: fromB(body(7, ton('0.75')), body(5, ton('1'))) }))
  assert.deepEqual([channel.quarantine.a, channel.quarantine.b], [body(6n, ton('2')), body(7n, ton('0.75'))])
})

test('a challenge is refused without a dispute, unsigned, with wrong bodies, and when the window is over', async () => {
  const channel = await Channel.opened()
  const theirs = fromA(body(6), body(6))
  await refuses(channel, 107, () => channel.challenge({ byA: false, theirs }))
  await channel.start({ byA: true })
  await refuses(channel, 101, () => channel.challenge({ byA: false, theirs, key: channel.keyA }))
  await refuses(channel, 104, () => channel.challenge({ byA: false, theirs, tag: cells.TAG.start }))
  await refuses(channel, 114, () => channel.challenge({ byA: false, theirs, id: 5n }))
  await refuses(channel, 101, () => channel.challenge({ byA: false, theirs: { ...theirs, key: keyOf('thief') } }))
  await refuses(channel, 104, () => channel.challenge({ byA: false, theirs: { ...theirs, tag: cells.TAG.start } }))
  await refuses(channel, 114, () => channel.challenge({ byA: false, theirs: { ...theirs, id: 5n } }))
  const begun = channel.world.snapshot()
  channel.world.now += channel.terms.quarantine
  await refuses(channel, 111, () => channel.challenge({ byA: false, theirs }))
  channel.world.restore(begun)
  channel.world.now += channel.terms.quarantine - 1
  await accepts(() => channel.challenge({ byA: false, theirs }))
})

test('an answer leaves half a window, and all answers together get half a window more', async () => {
  const channel = await Channel.opened()
  const { world } = channel
  const window = channel.terms.quarantine
  const begun = world.now
  const ends = () => channel.quarantine.starts + window - begun
  let seqno = 1
  const answer = async after => {
    world.now = begun + after
    seqno += 1
    await accepts(() => channel.challenge({ byA: seqno % 2 === 0, theirs: { own: body(seqno), counterparty: body(seqno) } }))
    return ends()
  }
  await channel.start({ byA: true, theirs: fromB(body(1), body(1)) })
  assert.equal(ends(), window)
  assert.equal(await answer(window / 2), window, 'an early answer extends nothing')
  assert.equal(await answer(window / 2 + 100), window + 100)
  assert.equal(await answer(window + 99), window + window / 2, 'never more than half a window')
  assert.equal(await answer(window + window / 2 - 1), window + window / 2)
  world.now = begun + window + window / 2
  await refuses(channel, 111, () => channel.challenge({ byA: true, theirs: fromB(body(99), body(99)) }))
})

test('settling begins when the window ends, finishing when settling ends, with no moment for both or neither', async () => {
  const channel = await Channel.opened()
  const list = promises(2)
  const dict = dictionaryOf(list)
  await channel.start({ byA: true, theirs: fromB(body(1, 0n, cells.rootHash(dict)), body(1)) })
  const settleAt = channel.world.now + channel.terms.quarantine
  const finishAt = settleAt + channel.terms.settle
  const settle = (some, from = dict) => channel.settle({ fromA: true, dict: from, resolves: resolvesOf(some) })

  channel.world.now = settleAt - 1
  await refuses(channel, 110, () => settle(list))
  channel.world.now = settleAt
  await refuses(channel, 113, () => channel.finish())
  await accepts(() => settle([list[0]]))
  channel.world.now = finishAt - 1
  await refuses(channel, 113, () => channel.finish())
  await accepts(() => settle([list[1]], dictionaryOf(list, [list[0]])))
  channel.world.now = finishAt
  await refuses(channel, 112, () => settle([list[0]]))
  await accepts(() => channel.finish())
})

test('nobody is fined for proposals of its own, however many are under way', async () => {
  for (const shown of [6, 7, 69, 1000]) {
    const channel = await Channel.opened()
    await channel.start({ byA: true, theirs: fromB(body(5), body(5)) })
    await accepts(() => channel.challenge({ byA: false, theirs: fromA(body(shown, ton('1')), body(5)) }))
    assert.deepEqual([channel.quarantine.finedA, channel.quarantine.finedB], [false, false])
    assertShares(await payOut(channel), ton('9'), ton('6'))
  }
})

test('only who begins can be fined, whatever comes to light about who has to answer', async () => {
  const channel = await Channel.opened()
  await channel.start({ byA: false, theirs: fromA(body(4), body(5)) })
  await accepts(() => channel.challenge({ byA: true, theirs: fromB(body(5), body(5)) }))
  await accepts(() => channel.challenge({ byA: false, theirs: fromA(body(7, ton('1')), body(6)) }))
  // B has, since it began a step behind what it had acknowledged.
  assert.deepEqual([channel.quarantine.finedA, channel.quarantine.finedB], [false, true])
  assertShares(await payOut(channel), ton('12'), ton('3'))
})

test('a start is good until the next commit, or until the second that it names', async () => {
  const channel = await Channel.opened()
  const { world } = channel
  const there = world.snapshot()
  const start = until => cells.startMessage({ id: channel.id, byA: false, key: channel.keyB, stateA: channel.noState, stateB: channel.moment(false, until) })
  const endless = start(0)
  const minute = start(world.now + 60)
  world.now += 60
  await accepts(() => channel.send(minute))
  world.restore(there)
  world.now += 61
  await refuses(channel, 105, () => channel.send(minute))
  world.now += 1_000_000
  await accepts(() => channel.send(endless))
  await channel.commit({ seqnoA: 1, seqnoB: 5 })
  await refuses(channel, 105, () => channel.send(endless))
  // So is one that shows something, and one with a state of the presenter's own.
  const theirs = fromA(body(9), body(9))
  await refuses(channel, 105, () => channel.start({ byA: false, theirs, ours: fromB(body(4), body(9)) }))
  await refuses(channel, 105, () => channel.start({ byA: false, theirs, until: 1 }))
  await accepts(() => channel.start({ byA: false, theirs, ours: fromB(body(5, 0n, 1n), body(9)) }))
})

test('a body that is cut short is refused when it is shown, and what stands behind one is not kept', async () => {
  const channel = await Channel.opened()
  const whole = core.beginCell().store(cells.storeBody(body(5, ton('1'), 7n))).endCell()
  const short = core.beginCell().storeBits(whole.bits.substring(0, whole.bits.length - 9)).endCell()
  const long = core.beginCell().storeSlice(whole.asSlice()).storeUint(0, 40).endCell()
  const show = (own, counterparty) => {
    const state = core.beginCell().storeUint(cells.TAG.state, 32).storeUint(channel.id, 128)
      .storeSlice(own.asSlice()).storeMaybeRef(counterparty).endCell()
    const stateB = core.beginCell().storeBuffer(channel.keyB.sign(state.hash())).storeRef(state).endCell()
    const message = cells.startMessage({ id: channel.id, byA: true, key: channel.keyA, stateA: channel.moment(true), stateB })
    return channel.send(message)
  }
  await refuses(channel, 9, () => show(short, null))
  await refuses(channel, 9, () => show(whole, short))
  await accepts(() => show(whole, long))
  assert.deepEqual([channel.quarantine.a, channel.quarantine.b], [body(5n, ton('1'), 7n), body(5n, ton('1'), 7n)])
  assert.equal(channel.quarantine.starts, channel.world.now)
  assertShares(await payOut(channel), ton('10'), ton('5'))
})

test('a challenge with the same bodies wins no time, whatever they rest on', async () => {
  const channel = await Channel.opened()
  await channel.start({ byA: true, theirs: fromB(body(5), body(5)) })
  channel.world.now += channel.terms.quarantine - 1
  await refuses(channel, 105, () => channel.challenge({ byA: false, theirs: fromA(body(5), body(5)) }))
})

test('who held back a state of the other side that it had acknowledged is fined', async () => {
  const channel = await Channel.opened()
  // B had promised something, and taken it back with A's consent: A shows the promise again.
  await channel.start({ byA: true, theirs: fromB(body(5, 0n, 99n), body(5)) })
  await accepts(() => channel.challenge({ byA: false, theirs: fromA(body(5), body(6)) }))
  assert.deepEqual(channel.quarantine.b, body(6n))
  assert.equal(channel.quarantine.finedA, true)
  assertShares(await payOut(channel), ton('7'), ton('8'))
})

test('who corrects itself is not fined, and nobody is fined twice', async () => {
  const channel = await Channel.opened()
  await channel.start({ byA: false, theirs: fromA(body(2), body(2)) })
  await accepts(() => channel.challenge({ byA: false, theirs: fromA(body(9), body(9)) }))
  assert.equal(channel.quarantine.finedB, false)
  await accepts(() => channel.challenge({ byA: true, theirs: fromB(body(20), body(20)) }))
  assert.equal(channel.quarantine.finedB, true)
  await accepts(() => channel.challenge({ byA: false, theirs: fromA(body(21), body(20)) }))
  assert.equal(channel.quarantine.finedA, false)
  await accepts(() => channel.challenge({ byA: true, theirs: fromB(body(40), body(40)) }))
  assertShares(await payOut(channel), ton('13'), ton('2'))
})

test('who shows what was refused in place of what it had acknowledged is fined', async () => {
  const channel = await Channel.opened()
  // B's sixth state was a gift that A refused; the next with that seqno A has acknowledged.
  await channel.start({ byA: true, theirs: fromB(body(6, ton('5')), body(5)) })
  await accepts(() => channel.challenge({ byA: false, theirs: fromA(body(5), body(6, ton('1'))) }))
  assert.deepEqual(channel.quarantine.b, body(6n, ton('1')))
  assert.equal(channel.quarantine.finedA, true)
})

test('a fine stays when newer states are shown', async () => {
  const channel = await Channel.opened()
  await channel.start({ byA: true, theirs: fromB(body(5), body(5)) })
  await channel.challenge({ byA: false, theirs: fromA(body(9), body(6)) })
  assert.equal(channel.quarantine.finedA, true)
  await accepts(() => channel.challenge({ byA: false, theirs: fromA(body(10), body(6)) }))
  await accepts(() => channel.challenge({ byA: true, theirs: fromB(body(7), body(10)) }))
  assert.deepEqual([channel.quarantine.finedA, channel.quarantine.finedB], [true, false])
})

test('a side that owes more than it has gives all it has', async () => {
  const channel = await Channel.opened()
  await channel.start({ byA: true, theirs: fromB(body(1, ton('1')), body(1, ton('400'))) })
  assertShares(await payOut(channel), 0n, ton('15'))

  const other = await Channel.opened()
  await other.start({ byA: true, theirs: fromB(body(1, ton('400')), body(1, ton('1'))) })
  assertShares(await payOut(other), ton('15'), 0n)
})

test('a fine takes no more than there is', async () => {
  const channel = await Channel.opened({ fine: ton('1000') })
  await channel.start({ byA: true, theirs: fromB(body(1), body(1)) })
  await channel.challenge({ byA: false, theirs: fromA(body(9), body(9)) })
  assertShares(await payOut(channel), 0n, ton('15'))
})

test('a finish is refused without a dispute and twice', async () => {
  const channel = await Channel.opened()
  await refuses(channel, 107, () => channel.finish())
  await channel.start({ byA: true })
  await payOut(channel)
  await refuses(channel, 117, () => channel.finish())
})

test('a dispute, a challenge, a settle and a finish are refused before init', async () => {
  const list = promises(1)
  for (const act of [
    (channel, options) => channel.start({ byA: true }, options),
    (channel, options) => channel.challenge({ byA: true }, options),
    (channel, options) => channel.settle({ fromA: true, dict: dictionaryOf(list), resolves: resolvesOf(list) }, options),
    (channel, options) => channel.finish(options),
  ]) {
    const channel = await Channel.create()
    const receipt = await act(channel, { init: channel.init, value: ton('0.5') })
    assert.equal(receipt.exitCode, 117)
  }
})

test('a commit or a close that is newer than what is disputed ends the dispute, an older one does not', async () => {
  for (const act of ['commit', 'close']) {
    const channel = await Channel.opened()
    await channel.start({ byA: true, theirs: fromB(body(5), body(7)) })
    await refuses(channel, 106, () => channel[act]({ seqnoA: 7, seqnoB: 6 }))
    await refuses(channel, 106, () => channel[act]({ seqnoA: 8, seqnoB: 5 }))
    await accepts(() => channel[act]({ seqnoA: 8, seqnoB: 6, sentA: ton('1') }))
    assert.equal(channel.storage.quarantine, null)
  }
})

test('a top-up is refused in a dispute', async () => {
  const channel = await Channel.opened()
  await channel.start({ byA: true })
  const receipt = await refuses(channel, 106, () => channel.topUp(false, ton('1')))
  assert.ok(values(receipt.sent)[0] > ton('1.02'), 'the value comes back')
})
