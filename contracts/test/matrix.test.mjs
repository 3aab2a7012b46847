// Every message in every state, for every currency: what is accepted, and with which code the rest is refused.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import core from '@ton/core'
import * as cells from './lib/cells.mjs'
import { Channel, ton } from './lib/channel.mjs'
import { dictionaryOf, promises, resolvesOf } from './lib/promises.mjs'
import { internal, person } from './lib/world.mjs'

const list = promises(2, { capacity: 20n, amount: 5n, fee: 1n })
const dict = dictionaryOf(list)
const shown = { own: { seqno: 5, sent: 10n, hash: cells.rootHash(dict) }, counterparty: { seqno: 5, sent: 10n } }

const currencies = {
  TON: { currency: { kind: 'ton' } },
  extra: { currency: { kind: 'extra', id: 100 }, storageFee: ton('0.35') },
  jetton: { currency: { kind: 'jetton', master: Channel.master }, storageFee: ton('0.35') },
}

/** How to come to each state from a channel that is not deployed. */
const states = {
  fresh: async () => {},
  open: async channel => {
    await channel.deploy()
    if (channel.terms.currency.kind === 'jetton') await channel.learnWallet()
    await channel.topUp(true, 1_000_000n)
    await channel.topUp(false, 1_000_000n)
  },
  quarantine: async channel => {
    await states.open(channel)
    await channel.start({ byA: true, theirs: shown })
  },
  settling: async channel => {
    await states.quarantine(channel)
    channel.world.now += channel.terms.quarantine
  },
  awaiting: async channel => {
    await states.settling(channel)
    channel.world.now += channel.terms.settle
  },
  closed: async channel => {
    await states.open(channel)
    await channel.close({ sentA: 5n, value: ton('0.3') }, { value: ton('0.3') })
  },
}

const unknown = core.beginCell().storeUint(0xdeadbeef, 32).endCell()
const comment = core.beginCell().storeUint(0, 32).storeStringTail('hello').endCell()
const refusedTransfer = core.beginCell().storeUint(0xffffffff, 32).storeUint(0x0f8a7ea5, 32).storeUint(1, 64).storeCoins(5n).endCell()

const messages = {
  init: (channel, options) => channel.deploy({}, options),
  'top up': (channel, options) => {
    const extra = channel.terms.currency.kind === 'extra' ? { 100: 5n } : undefined
    return channel.send(cells.topUpMessage(true), { extra, ...options })
  },
  commit: (channel, options) => channel.commit({ seqnoA: 8, seqnoB: 8 }, options),
  close: (channel, options) => channel.close({ seqnoA: 8, seqnoB: 8 }, options),
  start: (channel, options) => channel.start({ byA: false, theirs: shown }, options),
  challenge: (channel, options) => channel.challenge({ byA: false, theirs: { own: { seqno: 7, sent: 10n } } }, options),
  settle: (channel, options) => channel.settle({ fromA: true, dict, resolves: resolvesOf(list) }, options),
  finish: (channel, options) => channel.finish(options),
  claim: (channel, options) => channel.claim(true, options),
  notification: (channel, options) => channel.notify(5n, { payload: cells.topUpMessage(true), ...options }),
  'foreign notification': (channel, options) => channel.notify(5n, { payload: cells.topUpMessage(true), from: person('x'), ...options }),
  'take wallet': (channel, options) => channel.learnWallet(options),
  'refused transfer': async (channel, { init, ...options }) => {
    const message = internal({ from: Channel.wallet, to: channel.address, body: refusedTransfer, init, ...options })
    message.info.bounced = true
    return (await channel.world.send(message))[0]
  },
  'unknown opcode': (channel, options) => channel.send(unknown, options),
  comment: (channel, options) => channel.send(comment, options),
  'empty body': (channel, options) => channel.send(core.Cell.EMPTY, options),
}

//                          fresh open quarantine settling awaiting closed
const common = {
  init:                    [0,    100, 100,       100,     100,     100],
  'top up':                [117,  0,   106,       106,     106,     117],
  commit:                  [117,  0,   0,         0,       0,       117],
  close:                   [117,  0,   0,         0,       0,       117],
  start:                   [117,  0,   106,       106,     106,     117],
  challenge:               [117,  107, 0,         111,     111,     117],
  settle:                  [117,  107, 110,       0,       112,     117],
  finish:                  [117,  107, 113,       113,     0,       117],
  claim:                   [120,  120, 120,       120,     120,     120],
  notification:            [0,    0,   0,         0,       0,       0],
  'foreign notification':  [0,    0,   0,         0,       0,       0],
  'take wallet':           [120,  120, 120,       120,     120,     120],
  'refused transfer':      [101,  101, 101,       101,     101,     101],
  'unknown opcode':        [63,   63,  63,        63,      63,      63],
  comment:                 [63,   63,  63,        63,      63,      63],
  'empty body':            [9,    9,   9,         9,       9,       9],
}
const expected = {
  TON: common,
  extra: common,
  jetton: {
    ...common,
    'top up':              [117,  120, 106,       106,     106,     117],
    claim:                 [0,    128, 128,       128,     128,     128],
    'take wallet':         [0,    124, 124,       124,     124,     124],
    'refused transfer':    [101,  0,   0,         0,       0,       0],
  },
}

for (const [currency, terms] of Object.entries(currencies)) {
  for (const [index, [state, reach]] of Object.entries(states).entries()) {
    test(`${currency}: every message to a channel that is ${state}`, async () => {
      const channel = await Channel.create({ fine: 3n, ...terms })
      await reach(channel)
      const there = channel.world.snapshot()
      for (const [name, send] of Object.entries(messages)) {
        channel.world.restore(there)
        const before = channel.world.data(channel.address)?.hash().toString('hex')
        const init = state === 'fresh' ? channel.init : undefined
        const receipt = await send(channel, { value: ton('0.6'), init })
        assert.equal(receipt.exitCode, expected[currency][name][index], `${name} gives ${receipt.exitCode}`)
        if (receipt.exitCode !== 0) {
          const after = channel.world.data(channel.address)?.hash().toString('hex')
          assert.ok(after === before || state === 'fresh', `${name} changed the channel`)
        } else {
          assert.equal(receipt.actionCode, 0, `${name} failed to act`)
        }
      }
      assert.deepEqual(Object.keys(messages), Object.keys(expected[currency]))
    })
  }
}
