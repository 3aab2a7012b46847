// Measures what every operation costs and prints it beside the existing contract of the network. `--json` prints the
// same for other programs.
import { describe } from './compile.mjs'
import * as cells from '../test/lib/cells.mjs'
import { Channel, code, ton } from '../test/lib/channel.mjs'
import { keyOf } from '../test/lib/keys.mjs'
import { dictionaryOf, promise, promises, resolvesOf } from '../test/lib/promises.mjs'

/** The existing contract, measured in the same emulator: code hash ff5f2b39, global version 11 to 13. */
const existing = {
  ton: {
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
    start: 12733, challenge: 14485, settle_1: 13613, finish: 12952,
  },
}

const currencies = {
  ton: { currency: { kind: 'ton' } },
  extra: { currency: { kind: 'extra', id: 100 }, storageFee: ton('0.35') },
  jetton: { currency: { kind: 'jetton', master: Channel.master }, storageFee: ton('0.35') },
}

const gasOf = receipt => {
  if (!receipt.ok) throw new Error(`failed with ${receipt.exitCode ?? 'no run'} / ${receipt.actionCode}`)
  return receipt.gas
}

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

async function settle(channel, dict, list, value = ton('1')) {
  return gasOf(await channel.settle({ fromA: true, dict, resolves: resolvesOf(list) }, { value }))
}

async function settled(terms, list, others) {
  const { channel, dict } = await disputed(terms, list, others)
  channel.world.now += channel.terms.quarantine
  return settle(channel, dict, list)
}

async function measure(terms) {
  const gas = {}
  const fresh = await Channel.create(terms)
  gas.deploy_init = gasOf(await fresh.deploy())
  if (terms.currency.kind === 'jetton') await fresh.learnWallet()
  gas.topup = gasOf(await fresh.topUp(true, ton('10')))
  await fresh.topUp(false, ton('5'))
  gas.commit = gasOf(await fresh.commit({ sentA: ton('2') }))
  gas.commit_withdraw_a = gasOf(await fresh.commit({ sentA: ton('2'), withdrawA: ton('1'), seqnoA: 2, seqnoB: 2 }, { value: ton('0.3') }))
  gas.commit_withdraw_ab = gasOf(
    await fresh.commit({ sentA: ton('2'), withdrawA: ton('2'), withdrawB: ton('1'), seqnoA: 3, seqnoB: 3 }, { value: ton('0.3') }),
  )
  gas.close = gasOf(await fresh.close({ sentA: ton('2'), seqnoA: 4, seqnoB: 4 }))

  const list = promises(1)
  const { channel, receipt } = await disputed(terms, list)
  gas.start = gasOf(receipt)
  gas.challenge = gasOf(
    await channel.challenge({
      byA: false,
      theirs: { own: { seqno: 7, sent: ton('2.5') }, counterparty: { seqno: 6, sent: ton('1.5') } },
      ours: { own: { seqno: 6, sent: ton('1.5') }, counterparty: { seqno: 7, sent: ton('2.5') } },
    }),
  )
  channel.world.now += 2 * (channel.terms.quarantine + channel.terms.settle)
  gas.finish = gasOf(await channel.finish({ value: ton('0.05') }))
  gas.settle_1 = await settled(terms, list)
  return gas
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

async function measureSettlement(gas) {
  const terms = currencies.ton
  for (const count of [10, 30]) gas[`settle_${count}`] = await settled(terms, promises(count))

  const all = promises(100)
  const sorted = [...all].sort((a, b) => a.slot - b.slot)
  const { channel, dict } = await disputed(terms, all)
  channel.world.now += channel.terms.quarantine
  gas.settle_100_messages = 0
  gas.settle_100_total = 0
  let done = []
  for (let from = 0; from < 100; from += 50) {
    const batch = sorted.slice(from, from + 50)
    gas.settle_100_total += await settle(channel, dictionaryOf(all, done), batch)
    gas.settle_100_messages += 1
    done = [...done, ...batch]
  }
  // As many cells as in the tree that the existing contract was measured with: one path of 32 forks and 28 pruned sides.
  const list = promises(30)
  gas.settle_30_worst_tree = await settled(terms, list, siblingsOf(list.slice(0, 1), 28))
  // And the worst there can be: a path of its own for every entry.
  gas.settle_30_all_deep = await settled(terms, list.slice(0, 10), siblingsOf(list.slice(0, 10), 32))
  const { bits, cells: count } = describe(code)
  gas.code_bits = bits
  gas.code_cells = count
  return gas
}

export async function measureAll() {
  const result = {}
  for (const [name, terms] of Object.entries(currencies)) result[name] = await measure(terms)
  await measureSettlement(result.ton)
  return result
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const measured = await measureAll()
  const order = Object.keys(existing.ton)
  const extraRows = ['settle_30_all_deep']
  if (process.argv.includes('--json')) {
    console.log(JSON.stringify(Object.fromEntries(order.map(key => [key, measured.ton[key]])), null, 2))
  } else {
    const heads = ['operation', 'TON', 'existing', 'extra', 'existing', 'jetton', 'existing']
    const number = value => (value === undefined ? '-' : value.toLocaleString('en'))
    const rows = [...order, ...extraRows].map(key => [
      key,
      ...['ton', 'extra', 'jetton'].flatMap(kind => [number(measured[kind][key]), number(existing[kind][key])]),
    ])
    console.log(`| ${heads.join(' | ')} |\n|${heads.map((_, i) => (i ? '---:' : '---')).join('|')}|`)
    for (const row of rows) console.log(`| ${row.join(' | ')} |`)
  }
}
