// Every exit code of src/errors.tolk is met, in every currency in which it can be.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import core from '@ton/core'
import * as cells from './lib/cells.mjs'
import { Channel, currencies, ton } from './lib/channel.mjs'
import { keyOf } from './lib/keys.mjs'
import { dictionaryOf, promises, resolvesOf } from './lib/promises.mjs'
import { person } from './lib/world.mjs'

const ID = currencies.extra.currency.id
const body = seqno => ({ seqno, sent: 0n })
const list = promises(1, { capacity: 20n, amount: 5n, fee: 1n })
const dict = dictionaryOf(list)
const promised = { own: { ...body(5), hash: cells.rootHash(dict) }, counterparty: body(5) }

const create = (terms, over = {}) => Channel.create({ fine: 3n, ...terms, ...over })
const open = terms => Channel.opened({ fine: 3n, depositA: 1000n, depositB: 1000n, ...terms })

/** A channel in a dispute, `after` seconds into it. */
async function disputed(terms, after = 0) {
  const channel = await open(terms)
  await channel.start({ byA: true, theirs: promised })
  channel.world.now += after
  return channel
}

const settle = (channel, over = {}) => channel.settle({ fromA: true, dict, resolves: resolvesOf(list), ...over })

/** How each code is met, with the terms of a channel in a currency. */
const meet = {
  OPCODE: async terms => (await open(terms)).send(core.beginCell().storeUint(0xdeadbeef, 32).endCell()),
  ALREADY_INITED: async terms => (await open(terms)).deploy(),
  SIGNATURE: async terms => (await open(terms)).start({ byA: true, key: keyOf('thief') }),
  NOT_FRESH: async terms => (await create(terms, { over: { committedB: 1 } })).deploy(),
  TAG: async terms => (await open(terms)).start({ byA: true, tag: cells.TAG.challenge }),
  OUTDATED: async terms => (await disputed(terms)).challenge({ byA: true, theirs: promised }),
  QUARANTINE: async terms => (await disputed(terms)).start({ byA: true }),
  NO_QUARANTINE: async terms => (await open(terms)).finish(),
  SEQNO: async terms => (await open(terms)).close({ seqnoA: 0 }),
  SETTLE_EARLY: async terms => settle(await disputed(terms, 21599)),
  CHALLENGE_LATE: async terms => (await disputed(terms, 21600)).challenge({ byA: true, theirs: { own: body(6) } }),
  SETTLE_LATE: async terms => settle(await disputed(terms, 32400)),
  FINISH_EARLY: async terms => (await disputed(terms, 32399)).finish(),
  CHANNEL_ID: async terms => (await open(terms)).start({ byA: true, id: 5n }),
  PROOF: async terms => settle(await disputed(terms, 21600), { proof: core.Cell.EMPTY }),
  NOTHING_SETTLED: async terms => settle(await disputed(terms, 21600), { resolves: [] }),
  NOT_INITED: async terms => {
    const channel = await create(terms)
    return channel.finish({ init: channel.init })
  },
  BALANCE: async terms => (await open(terms)).close({ sentA: 1001n }),
  FEE: async terms => (await open(terms)).commit({ withdrawA: 1n }, { value: ton('0.0119') }),
  CURRENCY: async terms => {
    const channel = await open(terms)
    return terms.currency.kind === 'jetton' ? channel.send(cells.topUpMessage(true)) : channel.claim(true)
  },
  EXTRA_CURRENCY: async terms => (await open(terms)).send(cells.topUpMessage(true), { extra: { [ID + 1]: 5n } }),
  STORAGE_FEE: async terms => {
    const least = { ton: '0.01', extra: '0.07', jetton: '0.2' }[terms.currency.kind]
    return (await create(terms, { storageFee: ton(least) })).deploy()
  },
  WALLET_SET: async terms => (await open(terms)).learnWallet(),
  TERMS: async terms => (await create(terms, { settle: 0 })).deploy(),
  WITHDRAW: async terms => {
    const channel = await open(terms)
    await channel.commit({ withdrawA: 5n }, { value: ton('0.3') })
    return channel.commit({ withdrawA: 4n, seqnoA: 2, seqnoB: 2 }, { value: ton('0.3') })
  },
  NOTHING_TO_CLAIM: async terms => (await open(terms)).claim(true),
}

/** What a currency does not know: the code that the same message gets there. */
const instead = {
  TON: { WALLET_SET: 'CURRENCY', NOTHING_TO_CLAIM: 'CURRENCY' },
  extra: { WALLET_SET: 'CURRENCY', NOTHING_TO_CLAIM: 'CURRENCY' },
  jetton: { EXTRA_CURRENCY: 'CURRENCY' },
}

const source = readFileSync(new URL('../src/errors.tolk', import.meta.url), 'utf8')
const codes = Object.fromEntries([...source.matchAll(/^const ERROR_(\w+) = (\d+)$/gm)].map(([, name, code]) => [name, Number(code)]))

test('there is a way to meet every code, and no two have the same number', () => {
  assert.deepEqual(Object.keys(meet), Object.keys(codes))
  assert.equal(new Set(Object.values(codes)).size, Object.keys(codes).length)
})

for (const [currency, terms] of Object.entries(currencies)) {
  for (const name of Object.keys(codes)) {
    const expected = instead[currency][name] ?? name
    test(`${currency}: ${name} is ${expected === name ? codes[name] : `not met, but ${expected}`}`, async () => {
      const receipt = await meet[name](terms)
      assert.equal(receipt.exitCode, codes[expected])
      assert.equal(receipt.ok, false)
    })
  }
}

test('terms are refused for each of the things that may be wrong with them', async () => {
  const masterchain = new core.Address(-1, person('a wallet').hash)
  for (const terms of [{ quarantine: 0 }, { settle: 0 }, { quarantine: 2 ** 25 + 1 }, { settle: 2 ** 25 + 1 }, { destA: masterchain }, { destB: masterchain }]) {
    assert.equal((await (await create({}, terms)).deploy()).exitCode, codes.TERMS)
  }
  for (const terms of [{ quarantine: 1, settle: 1 }, { quarantine: 2 ** 25, settle: 2 ** 25 }]) {
    assert.equal((await (await create({}, terms)).deploy()).exitCode, 0)
  }
})
