// Measures what every operation costs, in gas and in TON, and prints it beside the existing contract of the network.
// `--json` prints the gas of a TON channel as one object and nothing else.
import core from '@ton/core'
import { describe, size } from './compile.mjs'
import * as cells from '../test/lib/cells.mjs'
import { Channel, code, currencies, ton } from '../test/lib/channel.mjs'
import { keyOf } from '../test/lib/keys.mjs'
import { dictionaryOf, promise, promises, resolvesOf } from '../test/lib/promises.mjs'
import { paramsOf } from '../test/lib/world.mjs'

/** The existing contract, measured in the same emulator: code hash ff5f2b39, global version 11 to 13. */
const existing = {
  TON: {
    deploy_init: 9817, topup: 8525, commit: 11533, commit_withdraw_a: 13696, commit_withdraw_ab: 15584, close: 10587,
    start: 13326, challenge: 15078, settle_1: 14206, settle_10: 68477, settle_30: 304282, settle_100_total: 1084773,
    settle_100_messages: 4, settle_30_worst_tree: 782332, finish: 10339, code_bits: 24701, code_cells: 54,
  },
  extra: {
    deploy_init: 9270, topup: 8083, commit: 10707, commit_withdraw_a: 13866, commit_withdraw_ab: 16750, close: 12536,
    start: 12643, challenge: 14395, settle_1: 13523, finish: 12188,
  },
  jetton: {
    deploy_init: 11111, topup: 9808, commit: 10879, commit_withdraw_a: 14454, commit_withdraw_ab: 17604, close: 13200,
    start: 12733, challenge: 14485, settle_1: 13613, finish: 12952, take_wallet: 4861,
  },
}

/** What it pays in TON, at the same prices; a jetton channel's deployment with the answer of the master. */
const existingCost = {
  TON: {
    deploy_init: 0.01784, topup: 0.00421, commit: 0.00609, commit_withdraw_a: 0.00737, commit_withdraw_ab: 0.00854,
    close: 0.00612, start: 0.00737, challenge: 0.0085, settle_1: 0.0076, settle_10: 0.0345, settle_30: 0.1404,
    settle_30_worst_tree: 0.336, finish: 0.00534,
  },
  jetton: {
    deploy_init: 0.02103, topup: 0.00498, commit: 0.00583, commit_withdraw_a: 0.00806, commit_withdraw_ab: 0.01012,
    close: 0.00794, start: 0.00713, challenge: 0.00826, finish: 0.00716,
  },
}

/** The price of carrying a message in the base chain, as config parameter 25 has it. */
function forwardFee(message, config) {
  const prices = config.get(25).beginParse().skip(8)
  const [lump, bit, cell] = [prices.loadUintBig(64), prices.loadUintBig(64), prices.loadUintBig(64)]
  // The root cell of a message is carried for the lump sum.
  const { bits, cells: count } = size(message)
  const carried = bit * BigInt(bits - message.bits.length) + cell * BigInt(count - 1)
  return lump + (carried + 0xffffn) / 0x10000n
}

/** What a transaction has cost: its gas, and its fees for gas and for its messages in both directions, in nano. */
function costOf(receipt, world) {
  if (!receipt.ok) throw new Error(`failed with ${receipt.exitCode ?? 'no run'} / ${receipt.actionCode}`)
  const config = paramsOf(core.Cell.fromBase64(world.config))
  const { inMessage, description } = receipt.transaction
  const received = forwardFee(core.beginCell().store(core.storeMessage(inMessage)).endCell(), config)
  const sent = description.actionPhase.totalFwdFees ?? 0n
  return { gas: receipt.gas, nano: description.computePhase.gasFees + received + sent }
}

const together = (...costs) => costs.reduce((sum, { gas, nano }) => ({ gas: sum.gas + gas, nano: sum.nano + nano }))

/** Opens a dispute in which B has promised `list` to A. */
async function disputed(terms, list, others = []) {
  const channel = await Channel.opened(terms)
  const dict = dictionaryOf([...list, ...others])
  const receipt = await channel.start({
    byA: true,
    theirs: { own: { seqno: 5, sent: ton('1'), hash: cells.rootHash(dict) }, counterparty: { seqno: 4, sent: ton('2') } },
    ours: { own: { seqno: 4, sent: ton('2') }, counterparty: { seqno: 5, sent: ton('1'), hash: cells.rootHash(dict) } },
  })
  return { channel, dict, receipt }
}

async function settle(channel, dict, list) {
  return costOf(await channel.settle({ fromA: true, dict, resolves: resolvesOf(list) }, { value: ton('1') }), channel.world)
}

async function settled(terms, list, others) {
  const { channel, dict } = await disputed(terms, list, others)
  channel.world.now += channel.terms.quarantine
  return settle(channel, dict, list)
}

async function measure(terms) {
  const costs = {}
  const fresh = await Channel.create(terms)
  const note = (name, receipt, { world } = fresh) => { costs[name] = costOf(receipt, world) }
  note('deploy_init', await fresh.deploy())
  const isJetton = terms.currency.kind === 'jetton'
  if (isJetton) {
    note('take_wallet', await fresh.learnWallet())
    costs.deploy_init.nano += costs.take_wallet.nano
  }
  note('topup', await fresh.topUp(true, ton('10')))
  await fresh.topUp(false, ton('5'))
  const value = ton('0.3')
  const sentA = ton('2')
  note('commit', await fresh.commit({ sentA }))
  note('commit_withdraw_a', await fresh.commit({ sentA, withdrawA: ton('1'), seqnoA: 2, seqnoB: 2 }, { value }))
  const withdrawals = { withdrawA: ton('2'), withdrawB: ton('1') }
  note('commit_withdraw_ab', await fresh.commit({ sentA, ...withdrawals, seqnoA: 3, seqnoB: 3 }, { value }))
  note('close', await fresh.close({ sentA, seqnoA: 4, seqnoB: 4 }))
  if (isJetton) {
    // What comes after the close becomes a claim.
    await fresh.topUp(true, 5n)
    note('claim', await fresh.claim(true))
  }

  const list = promises(1)
  const { channel, receipt } = await disputed(terms, list)
  note('start', receipt, channel)
  const challenge = await channel.challenge({
    byA: false,
    theirs: { own: { seqno: 7, sent: ton('2.5') }, counterparty: { seqno: 6, sent: ton('1.5') } },
    ours: { own: { seqno: 6, sent: ton('1.5') }, counterparty: { seqno: 7, sent: ton('2.5') } },
  })
  note('challenge', challenge, channel)
  channel.world.now += 2 * (channel.terms.quarantine + channel.terms.settle)
  note('finish', await channel.finish({ value: ton('0.05') }), channel)
  costs.settle_1 = await settled(terms, list)
  return costs
}

/** Entries that make the path to each of `list` as deep as it gets: a fork for every bit, its other side pruned. */
function siblingsOf(list, levels) {
  const taken = new Set(list.map(item => item.slot))
  const siblings = []
  for (const item of list) {
    for (let bit = 0; bit < levels; bit += 1) {
      const slot = (item.slot ^ (1 << bit)) >>> 0
      if (!taken.has(slot)) siblings.push(promise(`sibling ${slot}`, { key: sibling, slot }))
      taken.add(slot)
    }
  }
  return siblings
}

const sibling = keyOf('a sibling')

async function measureSettlement() {
  const terms = currencies.TON
  const costs = {}
  for (const count of [10, 30]) costs[`settle_${count}`] = await settled(terms, promises(count))

  const all = promises(100)
  const sorted = [...all].sort((a, b) => a.slot - b.slot)
  const { channel, dict } = await disputed(terms, all)
  channel.world.now += channel.terms.quarantine
  const first = await settle(channel, dict, sorted.slice(0, 50))
  const second = await settle(channel, dictionaryOf(all, sorted.slice(0, 50)), sorted.slice(50))
  costs.settle_100_total = together(first, second)
  costs.settle_100_messages = { gas: 2 }
  // As many cells as in the tree that the existing contract was measured with: one path of 32 forks and 28 pruned sides.
  const list = promises(30)
  costs.settle_30_worst_tree = await settled(terms, list, siblingsOf(list.slice(0, 1), 28))
  // And a path of 32 forks of its own for every entry.
  const deep = list.slice(0, 10)
  costs.settle_10_all_deep = await settled(terms, deep, siblingsOf(deep, 32))
  const { bits, cells: count } = describe(code)
  return { ...costs, code_bits: { gas: bits }, code_cells: { gas: count } }
}

/** What there is to measure, by currency and operation. */
export async function measureAll() {
  const result = {}
  for (const [name, terms] of Object.entries(currencies)) result[name] = await measure(terms)
  Object.assign(result.TON, await measureSettlement())
  return result
}

/** A table of some columns, each with a heading and the number for an operation. */
function table(operations, columns) {
  const text = number => (number < 1 ? number.toFixed(5) : number.toLocaleString('en'))
  const row = texts => `| ${texts.join(' | ')} |`
  return [
    row(['operation', ...columns.map(([head]) => head)]),
    `|---|${columns.map(() => '---:|').join('')}`,
    ...operations.map(name => row([name, ...columns.map(([, of]) => (of(name) === undefined ? '-' : text(of(name))))])),
  ].join('\n')
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const measured = await measureAll()
  const keys = Object.keys(existing.TON)
  if (process.argv.includes('--json')) {
    console.log(JSON.stringify(Object.fromEntries(keys.map(key => [key, measured.TON[key].gas])), null, 2))
  } else {
    const columns = (ours, theirs) => Object.keys(measured).flatMap(name => [
      [name, operation => ours(measured[name][operation])],
      ...(theirs[name] ? [['existing', operation => theirs[name][operation]]] : []),
    ])
    const operations = [...keys.filter(key => !key.startsWith('code')), 'settle_10_all_deep', 'take_wallet', 'claim']
    console.log(`Gas\n\n${table([...operations, 'code_bits', 'code_cells'], columns(cost => cost?.gas, existing))}\n`)
    console.log('TON, for gas and messages, at the prices of the chain\'s config\n')
    const paid = operations.filter(name => name !== 'settle_100_messages')
    console.log(table(paid, columns(cost => cost && Number(cost.nano) / 1e9, existingCost)))
  }
}
