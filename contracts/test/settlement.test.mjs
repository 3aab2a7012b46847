// Settling promises: what each is worth, which are skipped, what remains of the dictionary.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import core from '@ton/core'
import * as cells from './lib/cells.mjs'
import { Channel, ton } from './lib/channel.mjs'
import { accepts, refuses } from './lib/expect.mjs'
import { keyFromSeed, keyOf } from './lib/keys.mjs'
import { dictionaryOf, grindKey, promise, promises, resolvesOf } from './lib/promises.mjs'

const NOTHING = { seqno: 0, sent: 0n }
const DEADLINE = 1_701_000_000

/** A channel in which B has promised `list` to A, when settling has begun. */
async function disputed(list, { byA = true, dict = dictionaryOf(list), ...options } = {}) {
  const channel = await Channel.opened({ depositA: ton('500'), depositB: ton('500'), ...options })
  const theirs = { own: { seqno: 1, sent: ton('1'), hash: cells.rootHash(dict) }, counterparty: NOTHING }
  await accepts(() => channel.start({ byA, theirs }))
  channel.world.now += channel.terms.quarantine
  return channel
}

const settle = (channel, list, { all = list, dict = dictionaryOf(all), fromA = true, ...options } = {}) =>
  channel.settle({ fromA, dict, resolves: resolvesOf(list) }, { value: ton('3'), ...options })

const worth = list => list.reduce((sum, item) => sum + item.worth, 0n)

/** Checks what B's ledger has become after some of `all` were settled. */
function assertSettled(channel, settled, all, isB = true) {
  const body = isB ? channel.quarantine.b : channel.quarantine.a
  assert.equal(body.sent, ton('1') + worth(settled))
  assert.equal(body.hash, cells.rootHash(dictionaryOf(all, settled)))
}

for (const [count, all] of [[1, 1], [2, 2], [3, 3], [10, 10], [30, 30], [1, 100], [30, 100], [7, 300]]) {
  test(`${count} of ${all} promises are settled, and only they are emptied`, async () => {
    const list = promises(all)
    const channel = await disputed(list)
    const some = list.slice(0, count)
    await accepts(() => settle(channel, some, { all: list }))
    assertSettled(channel, some, list)
  })
}

test('B settles promises of A just as well', async () => {
  const list = promises(3)
  const channel = await disputed(list, { byA: false })
  await accepts(() => settle(channel, list, { fromA: false }))
  assertSettled(channel, list, list, false)
})

test('a hundred promises take two messages, each proven against what the one before has left', async () => {
  const list = promises(100)
  const channel = await disputed(list)
  const first = list.slice(0, 50)
  await accepts(() => settle(channel, first, { all: list }))
  await accepts(() => settle(channel, list.slice(50), { dict: dictionaryOf(list, first) }))
  assertSettled(channel, list, list)
})

test('a promise is settled once', async () => {
  const list = promises(3)
  const channel = await disputed(list)
  await accepts(() => settle(channel, [list[0]], { all: list }))
  await refuses(channel, 115, () => settle(channel, [list[0]], { all: list }))
  const left = dictionaryOf(list, [list[0]])
  await refuses(channel, 116, () => settle(channel, [list[0]], { dict: left }))
  // The same resolve beside others is skipped.
  await accepts(() => settle(channel, list, { dict: left }))
  assertSettled(channel, list, list)
})

test('every encoding of every number is understood', async () => {
  const shapes = {
    'no fee': { fee: 0n },
    'a fee of one byte': { fee: 100n },
    'the largest fee of one byte': { fee: 127n },
    'a fee of two bytes': { fee: 128n },
    'the largest fee of two bytes': { fee: 32_767n },
    'a fee of nineteen bits': { fee: 32_768n },
    'a large fee': { fee: ton('7') },
    'a capacity of one byte': { capacity: 100n, amount: 100n },
    'a capacity of two bytes': { capacity: 30_000n, amount: 29_999n },
    'a huge capacity': { capacity: (1n << 119n) - 1n, amount: ton('2') },
    'a prepay of one byte': { prepay: 100n },
    'a prepay of two bytes': { prepay: 20_000n },
    'a large prepay': { prepay: ton('0.4') },
    'a prepay of all of it': { prepay: ton('0.5') },
    'a far deadline': { deadline: 0xffffffff },
    'a resolve of nothing': { amount: 0n },
    'a resolve of all of it': { amount: ton('1') },
    'a resolve of all of it, and a prepay': { amount: ton('1'), prepay: 100n },
  }
  for (const [name, terms] of Object.entries(shapes)) {
    const list = [promise(name, terms), promise('another')]
    const channel = await disputed(list)
    await accepts(() => settle(channel, list))
    assertSettled(channel, list, list)
  }
})

test('a deadline that has just come is still good, one that has passed is not', async () => {
  for (const [late, good, prepay] of [[0, true], [1, false], [0, true, 100n], [1, false, 100n]]) {
    const item = promise('due', { deadline: 1_700_000_000 + 21600 - late, ...(prepay && { prepay }) })
    const list = [item, promise('another')]
    const channel = await disputed(list)
    await accepts(() => settle(channel, list))
    assertSettled(channel, good ? list : [list[1]], list)
  }
})

test('keys with leading zeros are understood', async () => {
  // The encoding of a key is shorter when it begins with zero bits: the first of these seeds begin with five and with
  // eight of them.
  for (const zeros of [6, 9]) {
    const item = promise(`zeros ${zeros}`, { key: keyWithZeros(zeros) })
    const list = [item, promise('another')]
    const channel = await disputed(list)
    await accepts(() => settle(channel, list))
    assertSettled(channel, list, list)
  }
})

function keyWithZeros(bits) {
  for (let counter = 0; ; counter += 1) {
    const seed = Buffer.alloc(32)
    seed.writeUInt32LE(counter)
    const key = keyFromSeed(seed)
    if (key.public.readUInt16BE(0) < 1 << (16 - bits)) return key
  }
}

test('labels of every form are understood, from the top of the dictionary to its leaves', async () => {
  const key = keyOf('the one that is settled')
  const slot = cells.slotOf(key.public)
  const item = promise('it', { key })
  const near = bits => promise('beside', { slot: (slot ^ bits) >>> 0 })
  const trees = {
    'a leaf with all bits in its label': [item],
    'a leaf with one bit': [item, near(1)],
    'a leaf with no bits at all': [item, near(1), near(2)],
    'a fork with a long label': [item, near(1)],
    'a fork with a short label': [item, near(1), near(4)],
    'a leaf with two bits': [item, near(4)],
    'a leaf with three bits': [item, near(8)],
    'a full row of forks': [item, ...Array.from({ length: 32 }, (_, i) => near(1 << i))],
  }
  for (const [name, list] of Object.entries(trees)) {
    const channel = await disputed(list)
    const receipt = await settle(channel, [item], { all: list })
    assert.equal(receipt.exitCode, 0, name)
    assertSettled(channel, [item], list)
  }
})

test('slots with equal bits in a row are understood', async () => {
  // A label whose bits are all the same has a form of its own, once it has four of them.
  for (const bits of [0, 0xff]) {
    const key = grindKey(slot => slot >>> 24 === bits)
    const item = promise('it', { key })
    const beside = bit => promise(`beside ${bit}`, { slot: (item.slot ^ (1 << bit)) >>> 0 })
    for (const others of [[beside(23)], [beside(31), beside(23)], [beside(31), beside(30), beside(23), beside(0)]]) {
      const list = [item, ...others]
      const channel = await disputed(list)
      await accepts(() => settle(channel, [item], { all: list }))
      assertSettled(channel, [item], list)
    }
  }
})

test('a promise cannot be made to be read in two ways', async () => {
  // The label of this leaf is 25 zeros in its short form. Taken for a long one it would end three bytes later, and the
  // rest of the fee, 36 TON, would be a fee of nothing and a huge capacity.
  const item = promise('it', { slot: 0, fee: 0x8_8000_8220n })
  const list = [item, promise('beside', { slot: 1 << 25 })]
  const channel = await disputed(list)
  const dict = dictionaryOf(list)
  const resolves = [[cells.slotOf(item.key.public), item.resolve]]
  await accepts(() => channel.settle({ fromA: true, dict, resolves, proof: dict.generateMerkleProof([0]) }, { value: ton('3') }))
  assertSettled(channel, [item], list)
})

test('an item that cannot be settled is skipped, and the others are settled', async () => {
  const key = keyOf('a virtual key')
  const resolve = promise('r', { key }).resolve
  const bits = resolve.beginParse()
  const signature = bits.loadBuffer(64)
  const replaced = make => {
    const builder = cells.Cell.EMPTY.asBuilder()
    make(builder)
    return builder.endCell()
  }
  const bad = {
    expired: promise('1', { deadline: 1_700_000_000 }),
    'over capacity': promise('2', { amount: ton('1') + 1n }),
    'under prepay': promise('3', { prepay: ton('0.6'), amount: ton('0.5') }),
    'signed by another key': { ...promise('4'), resolve: cells.resolveCell(keyOf('thief'), ton('0.5')) },
    'a cut signature': { ...promise('5'), resolve: replaced(b => b.storeBuffer(signature.subarray(0, 40))) },
    'no amount': { ...promise('6'), resolve: replaced(b => b.storeBuffer(signature)) },
    'a cut amount': { ...promise('7'), resolve: replaced(b => b.storeBuffer(signature).storeUint(0xf, 4)) },
    'not whole bytes': { ...promise('8'), resolve: replaced(b => b.storeBuffer(signature).storeUint(0, 5)) },
    'odd padding': { ...promise('16'), resolve: signedBits('16', b => b.storeCoins(5n).storeUint(1, 4)) },
    'an amount with a leading zero': { ...promise('17'), resolve: signedBits('17', b => b.storeUint(2, 4).storeUint(5, 16).storeUint(0, 4)) },
    'a byte behind the amount': { ...promise('18'), resolve: signedBits('18', b => b.storeCoins(5n).storeUint(0, 12)) },
    'a bit that is not signed': { ...promise('19'), resolve: replaced(b => b.storeSlice(promise('19').resolve.beginParse()).storeBit(0)) },
    'a cell behind the amount': { ...promise('20'), resolve: replaced(b => b.storeSlice(promise('20').resolve.beginParse()).storeRef(cells.Cell.EMPTY)) },
    'nothing at all': { ...promise('9'), resolve: cells.Cell.EMPTY },
    'another code': promise('10', { code: replaced(b => b.storeUint(0xf2c04d, 24)) }),
    'no code': { ...promise('11'), conditional: replaced(b => b.storeUint(0x8000, 16)) },
    'a negative fee': { ...promise('12'), conditional: conditionalOf(['12', -1n]) },
    'a long negative fee': { ...promise('16'), conditional: rawConditional('16', b => b.storeUint(0x82, 8).storeUint(0, 5).storeInt(-40_000n, 19)) },
    'a number in another instruction': { ...promise('13'), conditional: rawConditional('13', b => b.storeUint(0x83, 8).storeUint(7, 8)) },
    'a number as long as that instruction reads': { ...promise('21'), conditional: rawConditional('21', b => b.storeUint(0x83, 8).storeInt(7, 64)) },
    'a key beyond 256 bits': { ...promise('22'), conditional: rawConditional('22', undefined, b => b.storeUint(0b10000010_11110_001, 16)) },
    'something after the key': { ...promise('14'), conditional: longer(promise('14').conditional) },
    'a slot that is not of its key': { ...promise('15'), slot: 12345 },
  }
  for (const [name, item] of Object.entries(bad)) {
    const list = [promise('good one'), item, promise('good two')]
    const channel = await disputed(list)
    const receipt = await settle(channel, list)
    assert.equal(receipt.exitCode, 0, name)
    assertSettled(channel, [list[0], list[2]], list)
    await refuses(channel, 116, () => settle(channel, [item], { dict: dictionaryOf(list, [list[0], list[2]]) }))
  }
})

/** A resolve of which the signature is good, whatever is signed. */
function signedBits(name, store) {
  const payload = core.beginCell()
  store(payload)
  const bytes = payload.asSlice().loadBuffer(payload.bits / 8)
  return core.beginCell().storeBuffer(keyOf(`virtual ${name}`).sign(bytes)).storeBuffer(bytes).endCell()
}

function rawConditional(name, storeFee = cells.storePushInt(7n), storeKeyPush = b => b.storeUint(0b10000010_11110_000, 16)) {
  const key = keyOf(`virtual ${name}`)
  return core.beginCell()
    .store(storeFee)
    .store(cells.storePushInt(ton('1')))
    .store(cells.storePushInt(0n))
    .store(cells.storePushInt(BigInt(DEADLINE)))
    .store(storeKeyPush)
    .storeBuffer(key.public)
    .storeRef(cells.CONDITION_CODE)
    .endCell()
}

function conditionalOf([name, fee]) {
  return rawConditional(name, b => b.storeUint(0x80, 8).storeInt(fee, 8))
}

function longer(conditional) {
  return core.beginCell().storeSlice(conditional.beginParse()).storeBit(0).endCell()
}

test('a resolve for a promise that the proof does not show is left out', async () => {
  const list = promises(5)
  const channel = await disputed(list)
  const dict = dictionaryOf(list)
  const proof = dict.generateMerkleProof([list[0].slot])
  await accepts(() => channel.settle({ fromA: true, dict, proof, resolves: resolvesOf(list) }, { value: ton('1') }))
  assertSettled(channel, [list[0]], list)
  const other = promise('in no dictionary')
  await refuses(channel, 116, () => settle(channel, [other], { dict: dictionaryOf(list, [list[0]]) }))
})

test('a settle is refused without a dispute, unsigned, with a wrong tag or id, and with a proof of something else', async () => {
  const list = promises(2)
  const open = await Channel.opened()
  await refuses(open, 107, () => settle(open, list))

  const channel = await disputed(list)
  const dict = dictionaryOf(list)
  const resolves = resolvesOf(list)
  const attempt = (over, value = ton('1')) => channel.settle({ fromA: true, dict, resolves, ...over }, { value })
  await refuses(channel, 101, () => attempt({ key: channel.keyB }))
  await refuses(channel, 104, () => attempt({ tag: cells.TAG.start }))
  await refuses(channel, 114, () => attempt({ id: 5n }))
  const other = dictionaryOf(promises(2, { name: 'other' }))
  const slots = list.map(item => item.slot)
  await refuses(channel, 115, () => attempt({ proof: other.generateMerkleProof([...other.keys()]) }))
  await refuses(channel, 115, () => attempt({ proof: dict.generateMerkleProofDirect(slots) }))
  await refuses(channel, 115, () => attempt({ proof: core.beginCell().storeUint(3, 8).storeUint(cells.rootHash(dict), 256).storeUint(0, 16).storeRef(cells.Cell.EMPTY).endCell() }))
  await refuses(channel, 115, () => attempt({ proof: merkleUpdateOf(dict) }))
  await refuses(channel, 115, () => attempt({ fromA: false }))
  await refuses(channel, 116, () => attempt({ resolves: [] }))
  await refuses(channel, 116, () => attempt({ proof: merkleProofOfPruned(dict) }))
  await accepts(() => attempt({}))
})

/** The other kind of cell that begins with a type and the hash of what it carries. */
function merkleUpdateOf(dict) {
  const root = core.beginCell().storeDictDirect(dict).endCell()
  const update = core.beginCell().storeUint(4, 8)
  for (let i = 0; i < 2; i += 1) update.storeBuffer(root.hash())
  for (let i = 0; i < 2; i += 1) update.storeUint(root.depth(), 16)
  return update.storeRef(root).storeRef(root).endCell({ exotic: true })
}

/** A proof that shows nothing: its root is pruned. */
function merkleProofOfPruned(dict) {
  const root = core.beginCell().storeDictDirect(dict).endCell()
  const pruned = core.beginCell().storeUint(0x0101, 16).storeBuffer(root.hash()).storeUint(root.depth(), 16).endCell({ exotic: true })
  return core.beginCell().storeUint(3, 8).storeBuffer(root.hash()).storeUint(root.depth(), 16).storeRef(pruned).endCell({ exotic: true })
}

test('promises beyond all bounds are worth no more than a Coins field holds', async () => {
  const huge = (1n << 120n) - 1n
  const list = [promise('huge', { capacity: huge, amount: huge }), promise('huge too', { capacity: huge, amount: huge })]
  const channel = await disputed(list)
  await accepts(() => settle(channel, list))
  assert.equal(channel.quarantine.b.sent, huge)
  channel.world.now += channel.terms.settle
  await accepts(() => channel.finish())
})
