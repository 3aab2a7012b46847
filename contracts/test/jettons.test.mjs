// Channels for the standard jetton: tokens come by notification, leave by request, and what goes wrong becomes a claim.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import core from '@ton/core'
import * as cells from './lib/cells.mjs'
import { Channel, currencies, ton } from './lib/channel.mjs'
import { accepts, op, refuses } from './lib/expect.mjs'
import { GOVERNED, Jetton, OP, STANDARD, fund, jettonChannel, openJettonChannel } from './lib/jetton.mjs'
import { dictionaryOf, promises, resolvesOf } from './lib/promises.mjs'
import { internal, person } from './lib/world.mjs'

const owned = channel => [channel.a, channel.b, channel.address].map(who => channel.jetton.balanceOf(who))

/** Claims that are written behind the balance. */
const claims = channel => channel.storage.claims

function walletKnown(channel) {
  const payment = channel.storage.payment.beginParse()
  payment.loadCoins()
  payment.loadAddress()
  payment.loadAddress()
  payment.skip(2)
  const info = payment.loadRef().beginParse()
  info.loadAddress()
  return info.loadMaybeAddress()
}

test('a channel learns its wallet, is funded, drawn from and closed', async () => {
  const channel = await openJettonChannel()
  assert.ok(walletKnown(channel).equals(channel.wallet))
  assert.deepEqual(owned(channel), [990_000n, 995_000n, 15_000n])
  assert.deepEqual([channel.storage.shareA, channel.storage.shareB], [10_000n, 5_000n])

  await accepts(() => channel.commit({ sentA: 2_000n, withdrawA: 1_000n, withdrawB: 2_000n }, { value: ton('0.25') }))
  assert.deepEqual(owned(channel), [991_000n, 997_000n, 12_000n])
  await accepts(() => channel.close({ sentA: 2_000n, seqnoA: 2, seqnoB: 2 }))
  assert.deepEqual(owned(channel), [998_000n, 1_002_000n, 0n])
  assert.equal(channel.balance, 0n)
})

test('a dispute ends in shares of the jetton', async () => {
  const channel = await openJettonChannel()
  const list = promises(2, { capacity: 1_000n, amount: 500n, fee: 1n })
  const dict = dictionaryOf(list)
  await accepts(() => channel.start({ byA: true, theirs: { own: { seqno: 1, sent: 10n, hash: cells.rootHash(dict) } } }))
  channel.world.now += channel.terms.quarantine
  await accepts(() => channel.settle({ fromA: true, dict, resolves: resolvesOf(list) }))
  channel.world.now += channel.terms.settle
  await accepts(() => channel.finish())
  assert.deepEqual(owned(channel), [990_000n + 11_012n, 995_000n + 3_988n, 0n])
})

test('a side that owes more than it has gives all it has, and no more', async () => {
  for (const [ofA, ofB, shares] of [[50_000n, 0n, [0n, 15_000n]], [0n, 50_000n, [15_000n, 0n]]]) {
    const channel = await openJettonChannel()
    await accepts(() => channel.start({ byA: true, theirs: { own: { seqno: 1, sent: ofB }, counterparty: { seqno: 1, sent: ofA } } }))
    channel.world.now += channel.terms.quarantine + channel.terms.settle
    await accepts(() => channel.finish())
    assert.deepEqual(owned(channel), [990_000n + shares[0], 995_000n + shares[1], 0n])
  }
})

test('beneficiaries are told what their jettons are, with TON to read it', async () => {
  const channel = await openJettonChannel()
  channel.world.inbox.clear()
  await channel.close({})
  for (const who of [channel.a, channel.b]) {
    const note = channel.world.receivedBy(who).find(message => op(message) === cells.OP.notification)
    assert.equal(note.info.value.coins, ton('0.03'))
    const body = note.body.beginParse()
    body.skip(32 + 64)
    body.loadCoins()
    assert.ok(body.loadAddress().equals(channel.address))
    const payload = body.loadBit() ? body.loadRef().beginParse() : body
    assert.equal(payload.loadUint(32), cells.OP.closed)
    assert.equal(payload.loadUintBig(128), channel.id)
  }
})

test('a side without a share gets no jettons, and A still gets the TON', async () => {
  const channel = await openJettonChannel()
  channel.world.inbox.clear()
  const receipt = await accepts(() => channel.close({ sentA: 10_000n }))
  assert.equal(receipt.sent.length, 2)
  assert.deepEqual(owned(channel), [990_000n, 1_010_000n, 0n])
  assert.ok(channel.world.tonReceivedBy(channel.a) > ton('0.28'))
})

test('a foreign extra currency that came to a jetton channel goes to A when it closes', async () => {
  const channel = await openJettonChannel()
  await channel.world.send(internal({ from: channel.stranger, to: channel.address, value: ton('1'), bounce: false, extra: { 9: 50n } }))
  await accepts(() => channel.close({}))
  assert.equal(channel.world.extraReceivedBy(channel.a, 9), 50n)
  assert.deepEqual(owned(channel), [1_000_000n, 1_000_000n, 0n])
})

test('only the master may tell the wallet, and only once', async () => {
  const channel = await jettonChannel()
  await channel.deploy()
  await refuses(channel, 124, () => channel.learnWallet({ from: channel.jetton.master, wallet: person('a thief') }))

  const other = await Channel.create(currencies.jetton)
  await other.deploy()
  await refuses(other, 101, () => other.learnWallet({ from: person('a thief') }))
  const before = other.balance
  await accepts(() => other.learnWallet())
  assert.ok(other.balance > before, 'the TON that came along stays')
  await refuses(other, 124, () => other.learnWallet())

  const inTon = await Channel.opened()
  await refuses(inTon, 120, () => inTon.learnWallet())
})

test('nobody can teach a channel its wallet before init, so that it could not be opened any more', async () => {
  const channel = await Channel.create(currencies.jetton)
  const receipt = await channel.claim(true, { init: channel.init })
  assert.equal(receipt.exitCode, 117)
  assert.deepEqual(channel.world.receivedBy(Channel.master), [])
  await accepts(() => channel.deploy())
})

test('a channel that closed before its wallet was told can still ask, and pay', async () => {
  const channel = await Channel.create(currencies.jetton)
  await channel.deploy()
  await accepts(() => channel.close({}))
  const receipt = await accepts(() => channel.claim(true))
  assert.deepEqual(receipt.sent.map(op), [0x2c76b973, cells.OP.excess])
})

test('a channel whose wallet was never told can ask again', async () => {
  const channel = await Channel.create(currencies.jetton)
  await channel.deploy()
  assert.equal(op(channel.world.receivedBy(Channel.master)[0]), 0x2c76b973)
  const receipt = await accepts(() => channel.claim(true))
  assert.deepEqual(receipt.sent.map(op), [0x2c76b973, cells.OP.excess])
  const ask = receipt.sent[0]
  assert.ok(ask.info.dest.equals(Channel.master))
  assert.equal(ask.info.value.coins, ton('0.03') + ton('0.15') - ton('0.092'))
  await channel.learnWallet()
  await refuses(channel, 128, () => channel.claim(true))
})

test('a channel whose wallet was told in advance is not opened', async () => {
  const currency = { kind: 'jetton', master: Channel.master, wallet: person('a thief') }
  const channel = await Channel.create({ currency, storageFee: ton('0.35') })
  assert.equal((await channel.deploy()).exitCode, 124)
})

test('a TON top-up of a jetton channel is refused and comes back', async () => {
  const channel = await openJettonChannel()
  const receipt = await refuses(channel, 120, () => channel.send(cells.topUpMessage(true), { value: ton('3') }))
  assert.ok(receipt.sent[0].info.value.coins > ton('2.99'))
})

test('a top-up with hardly any TON is credited all the same', async () => {
  const channel = await openJettonChannel({ depositA: 0n, depositB: 0n })
  const before = channel.balance
  await fund(channel, true, 300n, { forward: ton('0.006') })
  assert.equal(channel.storage.balance.depositA, 300n)
  assert.equal(channel.balance, before)
})

test('what comes for a side when it cannot be a deposit becomes a claim of that side', async () => {
  const channel = await openJettonChannel()
  await channel.start({ byA: true })
  await fund(channel, false, 300n, { forward: ton('0.006') })
  await fund(channel, true, 40n)
  assert.deepEqual(claims(channel), [40n, 300n])
  await accepts(() => channel.claim(false))
  assert.deepEqual(claims(channel), [40n, 0n])
  assert.equal(channel.jetton.balanceOf(channel.b), 995_000n)
  await refuses(channel, 128, () => channel.claim(false))
})

test('what comes when the channel is closed becomes a claim of its side', async () => {
  const channel = await openJettonChannel()
  await channel.close({})
  await fund(channel, false, 300n)
  assert.deepEqual(claims(channel), [0n, 300n])
  await accepts(() => channel.claim(false))
  assert.deepEqual(owned(channel), [1_000_000n, 1_000_000n, 0n])
})

test('a message about no jettons at all moves no claim', async () => {
  const channel = await openJettonChannel()
  await channel.start({ byA: true })
  await fund(channel, true, 40n)
  await fund(channel, true, 0n)
  assert.deepEqual(claims(channel), [40n, 0n])
})

test('what comes for no side becomes a claim of A', async () => {
  const channel = await openJettonChannel({ depositA: 0n, depositB: 0n })
  const comment = core.beginCell().storeUint(0, 32).storeStringTail('hello').endCell()
  const short = core.beginCell().storeUint(7, 9).endCell()
  const exactlyOp = core.beginCell().storeUint(0x593e3893, 32).endCell()
  for (const payload of [undefined, comment, short, exactlyOp]) {
    await channel.jetton.transfer(channel.b, channel.address, 10n, { payload })
  }
  assert.deepEqual(claims(channel), [40n, 0n])
})

test('a payload inside the message is read as one beside it', async () => {
  const channel = await Channel.opened({
    ...currencies.jetton, depositA: 5n, depositB: 0n,
  })
  await accepts(() => channel.notify(7n, { payload: cells.topUpMessage(false), inline: false }))
  assert.deepEqual([channel.storage.balance.depositA, channel.storage.balance.depositB], [5n, 7n])
})

test('minted jettons without a sender are credited, and the TON that is left goes to A', async () => {
  const channel = await Channel.opened({
    ...currencies.jetton, depositA: 0n, depositB: 0n,
  })
  channel.world.inbox.clear()
  await accepts(() => channel.notify(7n, { payload: cells.topUpMessage(false), sender: null }))
  assert.equal(channel.storage.balance.depositB, 7n)
  assert.equal(op(channel.world.receivedBy(channel.a)[0]), cells.OP.excess)
})

test('jettons of another kind go back', async () => {
  const channel = await openJettonChannel()
  const foreign = await Jetton.deployed(channel.world, STANDARD, 'a foreign jetton')
  await foreign.mint(channel.stranger, 500n)
  const before = channel.world.data(channel.address).hash().toString('hex')
  const payload = cells.topUpMessage(true)
  await foreign.transfer(channel.stranger, channel.address, 200n, { payload, forward: ton('0.06'), value: ton('0.15') })
  assert.equal(foreign.balanceOf(channel.stranger), 500n)
  assert.equal(channel.world.data(channel.address).hash().toString('hex'), before)
})

test('jettons that come to a TON channel go back', async () => {
  const channel = await Channel.opened()
  const foreign = await Jetton.deployed(channel.world)
  await foreign.mint(channel.stranger, 500n)
  await foreign.transfer(channel.stranger, channel.address, 200n, { forward: ton('0.06'), value: ton('0.15') })
  assert.equal(foreign.balanceOf(channel.stranger), 500n)
})

test('a withdrawal that the jetton wallet refuses stays claimable', async () => {
  const channel = await openJettonChannel()
  channel.jetton.freeze(channel.address)
  await accepts(() => channel.commit({ withdrawA: 1_000n, withdrawB: 500n }, { value: ton('0.25') }))
  assert.deepEqual(claims(channel), [1_000n, 500n])
  assert.deepEqual([channel.storage.shareA, channel.storage.shareB], [9_000n, 4_500n])

  await channel.claim(true)
  assert.deepEqual(claims(channel), [1_000n, 500n], 'it refuses still')
  channel.jetton.freeze(channel.address, false)
  await accepts(() => channel.claim(true))
  assert.deepEqual(claims(channel), [0n, 500n])
  assert.equal(channel.jetton.balanceOf(channel.a), 991_000n)
  // Closing pays what is left of the claims with the shares.
  await accepts(() => channel.close({ seqnoA: 2, seqnoB: 2 }))
  assert.deepEqual(owned(channel), [1_000_000n, 1_000_000n, 0n])
})

test('shares that the jetton wallet refuses when the channel closes stay claimable', async () => {
  const channel = await openJettonChannel()
  channel.jetton.freeze(channel.address)
  await accepts(() => channel.close({ sentA: 2_000n }))
  assert.deepEqual(claims(channel), [8_000n, 7_000n])
  assert.equal(channel.storage.inited, false)
  channel.jetton.freeze(channel.address, false)
  await accepts(() => channel.claim(false))
  await accepts(() => channel.claim(true))
  assert.deepEqual(owned(channel), [998_000n, 1_002_000n, 0n])
  await refuses(channel, 128, () => channel.claim(true))
})

test('the TON of a refused transfer goes to the side that the jettons are for, also after closing', async () => {
  const channel = await openJettonChannel()
  channel.jetton.freeze(channel.address)
  const { world } = channel
  const reserve = channel.balance
  world.inbox.clear()
  await accepts(() => channel.commit({ withdrawB: 500n }, { value: ton('0.25') }))
  assert.equal(channel.balance, reserve)
  assert.ok(world.tonReceivedBy(channel.b) > ton('0.11'))
  world.inbox.clear()
  await accepts(() => channel.close({ seqnoA: 2, seqnoB: 2 }))
  assert.equal(channel.balance, 0n)
  for (const who of [channel.a, channel.b]) assert.ok(world.tonReceivedBy(who) > ton('0.09'))
})

test('what a recipient\'s wallet refuses stays in the channel\'s wallet, and neither side can claim it', async () => {
  for (const end of ['commit', 'close']) {
    const channel = await openJettonChannel({ kind: GOVERNED })
    await channel.jetton.setStatus(channel.b, 2)
    await accepts(() => channel[end]({ withdrawB: 5_000n, ...(end === 'close' && { withdrawB: undefined }) }, { value: ton('0.4') }))
    assert.equal(channel.jetton.balanceOf(channel.b), 995_000n)
    assert.ok(channel.jetton.balanceOf(channel.address) >= 5_000n)
    assert.deepEqual(claims(channel), [0n, 0n])
    for (const isA of [true, false]) await refuses(channel, 128, () => channel.claim(isA))
  }
})

test('the jettons of a side that come before the channel knows its wallet are never those of the other', async () => {
  for (const isA of [true, false]) {
    const channel = await jettonChannel()
    // The master is slow: the request is on its way still.
    await channel.world.deliver(internal({ from: channel.a, to: channel.address, value: ton('0.6'), bounce: false, init: channel.init, body: cells.initMessage({ id: channel.id, isA: true, key: channel.keyA }) }))
    const early = (amount, options) => fund(channel, isA, amount, options)
    // With enough TON they come back.
    await early(100n, { forward: ton('0.06'), value: ton('0.2') })
    assert.deepEqual(owned(channel), [1_000_000n, 1_000_000n, 0n])
    // With less the wallet refuses, and its refusal may be late.
    const refused = core.beginCell().storeUint(0xffffffff, 32).storeUint(OP.transfer, 32)
    const notified = await channel.notify(70n, { from: channel.wallet, sender: isA ? channel.a : channel.b, payload: cells.topUpMessage(isA) })
    const back = notified.sent[0].body.beginParse().skip(32)
    refused.storeUint(back.loadUintBig(64), 64).storeCoins(back.loadCoins())
    await channel.send(cells.takeWalletMessage(channel.wallet), { from: channel.jetton.master })
    const bounced = internal({ from: channel.wallet, to: channel.address, value: ton('0.02'), body: refused.endCell(), bounce: false })
    bounced.info.bounced = true
    await channel.world.send(bounced)
    assert.deepEqual(claims(channel), isA ? [70n, 0n] : [0n, 70n])
  }
})

test('a claim is paid for by who asks for it, and is only for jettons', async () => {
  const channel = await openJettonChannel()
  channel.jetton.freeze(channel.address)
  await channel.commit({ withdrawA: 1_000n }, { value: ton('0.25') })
  await refuses(channel, 119, () => channel.claim(true, { value: ton('0.0919') }))
  await accepts(() => channel.claim(true, { value: ton('0.092') }))
  const inTon = await Channel.opened()
  await refuses(inTon, 120, () => inTon.claim(true))
})

test('a bounced message that is not a refused transfer changes nothing', async () => {
  const channel = await openJettonChannel()
  const bounced = (from, body) => {
    const message = internal({ from, to: channel.address, value: ton('0.05'), body, bounce: false })
    message.info.bounced = true
    return channel.world.send(message).then(([receipt]) => receipt)
  }
  const refusal = transferOp => core.beginCell().storeUint(0xffffffff, 32).storeUint(transferOp, 32).storeUint(1, 64).storeCoins(5n).endCell()
  await refuses(channel, 63, () => bounced(channel.wallet, refusal(0x12345678)))
  await refuses(channel, 101, () => bounced(person('a thief'), refusal(OP.transfer)))
  await accepts(() => bounced(channel.wallet, refusal(OP.transfer)))
  assert.deepEqual(claims(channel), [5n, 0n])
  const inTon = await Channel.opened()
  const message = internal({ from: person('x'), to: inTon.address, value: ton('0.05'), body: refusal(OP.transfer), bounce: false })
  message.info.bounced = true
  await refuses(inTon, 101, async () => (await inTon.world.send(message))[0])
})

test('init asks for a reserve that pays for both shares and the request', async () => {
  const currency = { kind: 'jetton', master: Channel.master }
  const poor = await Channel.create({ currency, storageFee: ton('0.2') })
  assert.equal((await poor.deploy()).exitCode, 123)
  const rich = await Channel.create({ currency, storageFee: ton('0.2') + 1n })
  await accepts(() => rich.deploy())
})

test('rent that has eaten the reserve is paid by whoever closes', async () => {
  const channel = await openJettonChannel()
  channel.world.edit(channel.address, account => { account.storage.balance.coins = 0n })
  await refuses(channel, 119, () => channel.close({}, { value: ton('0.1719') }))
  await accepts(() => channel.close({}, { value: ton('0.172') }))
  assert.deepEqual(owned(channel), [1_000_000n, 1_000_000n, 0n])
})

test('a withdrawal is paid for by who asks for it', async () => {
  const channel = await openJettonChannel()
  await refuses(channel, 119, () => channel.commit({ withdrawA: 1n }, { value: ton('0.0919') }))
  await accepts(() => channel.commit({ withdrawA: 1n }, { value: ton('0.092') }))
  await refuses(channel, 119, () => channel.commit({ withdrawA: 2n, withdrawB: 1n, seqnoA: 2, seqnoB: 2 }, { value: ton('0.1719') }))
  await accepts(() => channel.commit({ seqnoA: 3, seqnoB: 3, withdrawA: 1n }, { value: ton('0.012') }))
})
