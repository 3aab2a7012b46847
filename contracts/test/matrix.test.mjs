// Every message in every state, for every currency: what is accepted, and with which code the rest is refused.
//
// The tables name every state and every message. A message that the source has and the tables do not, or a new field in
// what the channel remembers, fails until somebody has written down what happens to it.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import core from '@ton/core'
import * as cells from './lib/cells.mjs'
import { Channel, currencies, ton } from './lib/channel.mjs'
import { keyOf } from './lib/keys.mjs'
import { dictionaryOf, promises, resolvesOf } from './lib/promises.mjs'
import { NotAccepted, external, internal, person } from './lib/world.mjs'

const ID = currencies.extra.currency.id
const thief = keyOf('thief')
const list = promises(2, { capacity: 20n, amount: 5n, fee: 1n })
const dict = dictionaryOf(list)
const other = dictionaryOf(promises(2, { name: 'other' }))
const body = (seqno, sent = 10n, hash = 0n) => ({ seqno, sent, hash })
const first = { own: body(5, 10n, cells.rootHash(dict)), counterparty: body(5) }
const newer = { own: body(7), counterparty: body(6) }

/** How to come to each state from a channel that is not deployed. */
const states = {
  fresh: async () => {},
  // Nothing has come yet, and a jetton channel does not know its wallet.
  opened: async channel => {
    await channel.deploy()
  },
  open: async channel => {
    await states.opened(channel)
    if (channel.terms.currency.kind === 'jetton') await channel.learnWallet()
    await channel.topUp(true, 1_000_000n)
    await channel.topUp(false, 1_000_000n)
    await channel.commit({ seqnoA: 2, seqnoB: 2, withdrawA: 5n, withdrawB: 5n }, { value: ton('0.3') })
  },
  window: async channel => {
    await states.open(channel)
    await channel.start({ byA: true, theirs: first })
  },
  settling: async channel => {
    await states.window(channel)
    channel.world.now += channel.terms.quarantine
  },
  awaiting: async channel => {
    await states.settling(channel)
    channel.world.now += channel.terms.settle
  },
  closed: async channel => {
    await states.open(channel)
    await channel.close({ sentA: 5n, seqnoA: 3, seqnoB: 3 }, { value: ton('0.3') })
  },
}

/** The state as it can be told from the account. */
function stateOf(channel) {
  const data = channel.world.data(channel.address)
  if (!data) return 'fresh'
  const { inited, committedA, quarantine, payment } = channel.storage
  if (!inited) return committedA > 0n ? 'closed' : 'fresh'
  if (quarantine) {
    const end = channel.quarantine.starts + channel.terms.quarantine
    if (channel.world.now < end) return 'window'
    return channel.world.now < end + channel.terms.settle ? 'settling' : 'awaiting'
  }
  return committedA > 0n ? 'open' : 'opened'
}

const unknown = op => (channel, options) => channel.send(core.beginCell().storeUint(op, 32).storeUint(0, 600).endCell(), options)
const comment = core.beginCell().storeUint(0, 32).storeStringTail('hello').endCell()
const bouncedBody = op => core.beginCell().storeUint(0xffffffff, 32).storeUint(op, 32).storeUint(1, 64).storeCoins(5n).endCell()

async function bounced(channel, { init, value }, { from = Channel.wallet, op = 0x0f8a7ea5 } = {}) {
  const message = internal({ from, to: channel.address, value, body: bouncedBody(op), bounce: false, init })
  message.info.bounced = true
  return (await channel.world.send(message))[0]
}

const agreement = (act, over = {}) => (channel, options) =>
  channel[act]({ seqnoA: 8, seqnoB: 8, withdrawA: 5n, withdrawB: 5n, ...over }, options)
const starting = (theirs = newer, over = {}) => (channel, options) => channel.start({ byA: false, theirs, ...over }, options)
const challenging = (theirs = newer, over = {}) => (channel, options) => channel.challenge({ byA: false, theirs, ...over }, options)
const settling = (over = {}) => (channel, options) => channel.settle({ fromA: true, dict, resolves: resolvesOf(list), ...over }, options)
const toppingUp = over => (channel, options) => channel.send(cells.topUpMessage(true), { ...options, ...over })
const own = channel => (channel.terms.currency.kind === 'extra' ? { [ID]: 5n } : undefined)

const messages = {
  'init': (channel, options) => channel.deploy({}, options),
  'init, forged': (channel, options) => channel.deploy({ key: thief }, options),
  'init, wrong tag': (channel, options) => channel.deploy({ tag: cells.TAG.close }, options),
  'init, wrong id': (channel, options) => channel.deploy({ id: 5n }, options),
  'init, little TON': (channel, options) => channel.deploy({}, { ...options, value: ton('0.1') }),
  'top up': (channel, options) => toppingUp({ extra: own(channel) })(channel, options),
  'top up, little TON': (channel, options) => toppingUp({ extra: own(channel), value: ton('0.029') })(channel, options),
  'top up, nothing': (channel, options) => toppingUp({ value: ton('0.05') })(channel, options),
  'top up, more beside': (channel, options) => toppingUp({ extra: { ...own(channel), 9: 1n } })(channel, options),
  'commit': agreement('commit'),
  'commit, forged A': agreement('commit', { keyA: thief }),
  'commit, forged B': agreement('commit', { keyB: thief }),
  'commit, wrong tag': agreement('commit', { tag: cells.TAG.close }),
  'commit, wrong id': agreement('commit', { id: 5n }),
  'commit, old A': agreement('commit', { seqnoA: 2 }),
  'commit, old B': agreement('commit', { seqnoB: 2 }),
  'commit, older': agreement('commit', { seqnoA: 5 }),
  'commit, takes back': agreement('commit', { withdrawB: 4n }),
  'commit, too much': agreement('commit', { withdrawB: 9_000_000n }),
  'commit, little TON': (channel, options) => agreement('commit')(channel, { ...options, value: ton('0.011') }),
  'close': agreement('close'),
  'close, forged A': agreement('close', { keyA: thief }),
  'close, forged B': agreement('close', { keyB: thief }),
  'close, wrong tag': agreement('close', { tag: cells.TAG.commit }),
  'close, wrong id': agreement('close', { id: 5n }),
  'close, old A': agreement('close', { seqnoA: 2 }),
  'close, older': agreement('close', { seqnoB: 5 }),
  'close, too much': agreement('close', { sentA: 9_000_000n }),
  'start': starting(),
  'start, nothing shown': starting(undefined, { theirs: undefined }),
  'start, forged': starting(newer, { key: thief }),
  'start, wrong tag': starting(newer, { tag: cells.TAG.challenge }),
  'start, wrong id': starting(newer, { id: 5n }),
  'start, forged state': starting({ ...newer, key: thief }),
  'start, state: tag': starting({ ...newer, tag: cells.TAG.start }),
  'start, state: id': starting({ ...newer, id: 5n }),
  'start, old state': starting({ own: body(1), counterparty: body(1) }),
  'challenge': challenging(),
  'challenge, nothing': challenging(undefined, { theirs: undefined }),
  'challenge, forged': challenging(newer, { key: thief }),
  'challenge, wrong tag': challenging(newer, { tag: cells.TAG.start }),
  'challenge, wrong id': challenging(newer, { id: 5n }),
  'challenge, forged st.': challenging({ ...newer, key: thief }),
  'challenge, state: tag': challenging({ ...newer, tag: cells.TAG.start }),
  'challenge, state: id': challenging({ ...newer, id: 5n }),
  'challenge, old state': challenging({ own: body(4), counterparty: body(4) }),
  'settle': settling(),
  'settle, forged': settling({ key: thief }),
  'settle, wrong tag': settling({ tag: cells.TAG.start }),
  'settle, wrong id': settling({ id: 5n }),
  'settle, other proof': settling({ proof: other.generateMerkleProof([...other.keys()]) }),
  'settle, no proof': settling({ proof: core.Cell.EMPTY }),
  'settle, no resolve': settling({ resolves: [] }),
  'finish': (channel, options) => channel.finish(options),
  'claim': (channel, options) => channel.claim(true, options),
  'claim, little TON': (channel, options) => channel.claim(true, { ...options, value: ton('0.09') }),
  'notification': (channel, options) => channel.notify(5n, { payload: cells.topUpMessage(true), ...options }),
  'notification, bare': (channel, options) => channel.notify(5n, options),
  'notification, foreign': (channel, options) => channel.notify(5n, { payload: cells.topUpMessage(true), from: person('x'), ...options }),
  'take wallet': (channel, options) => channel.learnWallet(options),
  'take wallet, stranger': (channel, options) => channel.learnWallet({ from: person('x'), ...options }),
  'bounced transfer': (channel, options) => bounced(channel, options),
  'bounced, foreign': (channel, options) => bounced(channel, options, { from: person('x') }),
  'bounced, other': (channel, options) => bounced(channel, options, { op: 0x12345678 }),
  'unknown opcode 1...': unknown(0x1eadbeef),
  'unknown opcode 5...': unknown(0x5eadbeef),
  'unknown opcode 9...': unknown(0x9eadbeef),
  'unknown opcode d...': unknown(0xdeadbeef),
  'comment': (channel, options) => channel.send(comment, options),
  'empty body': (channel, options) => channel.send(core.Cell.EMPTY, options),
  'external': async (channel, { init }) => {
    const attempt = channel.world.deliver(external({ to: channel.address, init, body: cells.finishMessage() }))
    return attempt.catch(error => {
      if (!(error instanceof NotAccepted)) throw error
      return { exitCode: error.exitCode }
    })
  },
}

/**
 * The codes of refusals, 0 for what is accepted. An external message to a contract without TON is refused by the chain
 * itself.
 */
const table = `
                        fresh  opened open   window settling awaiting closed
init                    0      100    100    100    100      100      100
init, forged            101    100    100    100    100      100      100
init, wrong tag         104    100    100    100    100      100      100
init, wrong id          114    100    100    100    100      100      100
init, little TON        123    100    100    100    100      100      100
top up                  117    0      0      106    106      106      117
top up, little TON      117    119    119    106    106      106      117
top up, nothing         117    0      0      106    106      106      117
top up, more beside     117    121    121    106    106      106      117
commit                  117    118    0      0      0        0        117
commit, forged A        117    101    101    101    101      101      117
commit, forged B        117    101    101    101    101      101      117
commit, wrong tag       117    104    104    104    104      104      117
commit, wrong id        117    114    114    114    114      114      117
commit, old A           117    118    108    108    108      108      117
commit, old B           117    118    108    108    108      108      117
commit, older           117    118    0      106    106      106      117
commit, takes back      117    118    127    127    127      127      117
commit, too much        117    118    118    118    118      118      117
commit, little TON      117    118    119    119    119      119      117
close                   117    0      0      0      0        0        117
close, forged A         117    101    101    101    101      101      117
close, forged B         117    101    101    101    101      101      117
close, wrong tag        117    104    104    104    104      104      117
close, wrong id         117    114    114    114    114      114      117
close, old A            117    0      108    108    108      108      117
close, older            117    0      0      106    106      106      117
close, too much         117    118    118    118    118      118      117
start                   117    0      0      106    106      106      117
start, nothing shown    117    0      0      106    106      106      117
start, forged           117    101    101    101    101      101      117
start, wrong tag        117    104    104    104    104      104      117
start, wrong id         117    114    114    114    114      114      117
start, forged state     117    101    101    106    106      106      117
start, state: tag       117    104    104    106    106      106      117
start, state: id        117    114    114    106    106      106      117
start, old state        117    0      105    106    106      106      117
challenge               117    107    107    0      111      111      117
challenge, nothing      117    107    107    105    111      111      117
challenge, forged       117    101    101    101    101      101      117
challenge, wrong tag    117    104    104    104    104      104      117
challenge, wrong id     117    114    114    114    114      114      117
challenge, forged st.   117    107    107    101    111      111      117
challenge, state: tag   117    107    107    104    111      111      117
challenge, state: id    117    107    107    114    111      111      117
challenge, old state    117    107    107    105    111      111      117
settle                  117    107    107    110    0        112      117
settle, forged          117    101    101    101    101      101      117
settle, wrong tag       117    104    104    104    104      104      117
settle, wrong id        117    114    114    114    114      114      117
settle, other proof     117    107    107    110    115      112      117
settle, no proof        117    107    107    110    115      112      117
settle, no resolve      117    107    107    110    116      112      117
finish                  117    107    107    113    113      0        117
claim                   120    120    120    120    120      120      120
claim, little TON       120    120    120    120    120      120      120
notification            0      0      0      0      0        0        0
notification, bare      0      0      0      0      0        0        0
notification, foreign   0      0      0      0      0        0        0
take wallet             120    120    120    120    120      120      120
take wallet, stranger   120    120    120    120    120      120      120
bounced transfer        101    101    101    101    101      101      101
bounced, foreign        101    101    101    101    101      101      101
bounced, other          63     63     63     63     63       63       63
unknown opcode 1...     63     63     63     63     63       63       63
unknown opcode 5...     63     63     63     63     63       63       63
unknown opcode 9...     63     63     63     63     63       63       63
unknown opcode d...     63     63     63     63     63       63       63
comment                 63     63     63     63     63       63       63
empty body              9      9      9      9      9        9        9
external                -701   11     11     11     11       11       -701
`

/** Where a currency differs. */
const differences = {
  TON: '',
  extra: `
                        fresh  opened open   window settling awaiting closed
top up, little TON      117    0      0      106    106      106      117
top up, nothing         117    121    121    106    106      106      117
`,
  jetton: `
                        fresh  opened open   window settling awaiting closed
top up                  117    120    120    106    106      106      117
top up, little TON      117    120    120    106    106      106      117
top up, nothing         117    120    120    106    106      106      117
top up, more beside     117    120    120    106    106      106      117
claim                   117    0      128    128    128      128      128
claim, little TON       119    119    119    119    119      119      119
take wallet             0      0      124    124    124      124      124
take wallet, stranger   101    101    124    124    124      124      124
bounced transfer        101    101    0      0      0        0        0
`,
}

/** A table as { row: { column: code } }. */
function read(text) {
  const [head, ...rows] = text.split('\n').filter(line => line.trim() !== '')
  if (!head) return {}
  const names = head.trim().split(/\s+/)
  assert.deepEqual(names, Object.keys(states), 'a table names other states')
  return Object.fromEntries(rows.map(row => {
    const codes = row.slice(24).trim().split(/\s+/)
    assert.equal(codes.length, names.length, row)
    return [row.slice(0, 24).trim(), Object.fromEntries(codes.map((code, index) => [names[index], Number(code)]))]
  }))
}

test('the table has a row for every message', () => {
  assert.deepEqual(Object.keys(read(table)), Object.keys(messages))
  for (const rows of Object.values(differences)) {
    for (const name of Object.keys(read(rows))) assert.ok(messages[name], `no message is called ${name}`)
  }
})

test('no field of the storage is without a state here', () => {
  const source = readFileSync(new URL('../src/storage.tolk', import.meta.url), 'utf8')
  const fieldsOf = name => {
    const layout = source.replaceAll('\n///', ' ').match(new RegExp(`TL-B: ${name}#_ (.*?) =`))[1]
    return layout.trim().split(/\s+(?=\w+:)/).map(field => field.split(':')[0])
  }
  // Terms do not change, amounts do not decide what is accepted: states differ in the rest.
  const terms = ['key_a', 'key_b', 'channel_id', 'closing', 'payment']
  const amounts = ['balance']
  assert.deepEqual(fieldsOf('storage').filter(name => ![...terms, ...amounts].includes(name)),
    ['initialized', 'committed_seqno_a', 'committed_seqno_b', 'quarantine'])
  assert.deepEqual(fieldsOf('quarantine'),
    ['state_a', 'state_b', 'quarantine_starts', 'committed_by_a', 'challenged', 'first_start', 'mark_a', 'mark_b'])
})

const opcodes = new Set()

for (const [currency, terms] of Object.entries(currencies)) {
  const expected = { ...read(table), ...read(differences[currency]) }
  for (const [state, reach] of Object.entries(states)) {
    test(`${currency}: every message to a channel that is ${state}`, async () => {
      const channel = await Channel.create({ fine: 3n, ...terms })
      const { world } = channel
      await reach(channel)
      assert.equal(stateOf(channel), state)
      const there = world.snapshot()
      const hash = () => world.data(channel.address)?.hash().toString('hex')
      world.record = []
      for (const [name, send] of Object.entries(messages)) {
        world.restore(there)
        const before = hash()
        const value = ton('0.6')
        const receipt = await send(channel, { value, init: state === 'fresh' ? channel.init : undefined })
        assert.equal(receipt.exitCode, expected[name][state], `${name} gives ${receipt.exitCode}`)
        if (receipt.exitCode !== 0) {
          assert.ok(hash() === before || state === 'fresh', `${name} changed the channel`)
          const back = receipt.sent?.[0]?.info
          if (receipt.received && receipt.transaction.inMessage.info.bounce) {
            assert.ok(back?.bounced && back.value.coins > receipt.received.coins - ton('0.02'), `the value of ${name} does not come back`)
          }
          continue
        }
        assert.equal(receipt.actionCode, 0, `${name} failed to act`)
        // Whatever was accepted, what belongs to the parties is still there.
        const { inited, shareA, shareB } = channel.storage
        if (!inited) continue
        if (currency === 'TON') assert.ok(channel.balance >= shareA + shareB, name)
        if (currency === 'extra') assert.ok(world.extra(channel.address, ID) >= shareA + shareB, name)
      }
      for (const { message } of world.record) {
        const sent = core.loadMessage(message.beginParse())
        if (sent.info.dest.equals(channel.address) && sent.body.bits.length >= 32) opcodes.add(sent.body.beginParse().loadUint(32))
      }
    })
  }
}

test('every opcode of the source was sent', () => {
  const source = readFileSync(new URL('../src/messages.tolk', import.meta.url), 'utf8')
  const received = source.slice(source.indexOf('// Received.'), source.indexOf('// Signed.'))
  const named = [...received.matchAll(/const OP_\w+ = (0x[0-9a-f]{8})/g)].map(match => Number(match[1]))
  assert.ok(named.length >= 11)
  for (const op of named) assert.ok(opcodes.has(op), `0x${op.toString(16)} is in no table`)
})
