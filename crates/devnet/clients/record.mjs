// Records what the official emulator makes of every message in a run of the contract tests, by the devnet's own
// configuration. `tests/replay.rs` then demands the same of the devnet, hash by hash.
//
//   cargo run -q -p devnet --example config > target/config
//   for t in contracts/test/*.test.mjs; do
//     CONFIG=target/config RECORD=crates/devnet/tests/recorded.jsonl node --import ./crates/devnet/clients/record.mjs $t
//   done
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const require = createRequire(new URL('../../../contracts/package.json', import.meta.url))
const { Executor } = require('@ton/sandbox')
const { Cell, beginCell, loadShardAccount } = require('@ton/core')

const config = readFileSync(process.env.CONFIG, 'utf8').trim()
const write = line => appendFileSync(process.env.RECORD, JSON.stringify(line) + '\n')
if (!existsSync(process.env.RECORD)) write({ config })

const hash = boc => Cell.fromBase64(boc).hash().toString('hex')
// An account that nobody has heard of is absent; the sandbox makes it an uninit one, which no chain holds.
const absent = beginCell()
  .storeRef(beginCell().storeBit(0).endCell())
  .storeUint(0, 256)
  .storeUint(0, 64)
  .endCell()
  .toBoc()
  .toString('base64')
const accountOf = boc => {
  const { account, lastTransactionLt } = loadShardAccount(Cell.fromBase64(boc).beginParse())
  const unheardOf = lastTransactionLt === 0n && !account?.storage.balance.coins
  return unheardOf ? absent : boc
}

// States the replay can derive itself are named only.
const known = new Set()
const run = Executor.prototype.runTransaction
Executor.prototype.runTransaction = async function (args) {
  const shardAccount = accountOf(args.shardAccount)
  const answer = await run.call(this, { ...args, config, shardAccount })
  const before = hash(shardAccount)
  const { result } = answer
  write({
    now: args.now,
    lt: args.lt.toString(),
    seed: args.randomSeed?.toString('hex') ?? '0'.repeat(64),
    account: before,
    boc: known.has(before) ? undefined : shardAccount,
    message: args.message.toBoc().toString('base64'),
    transaction: result.success ? hash(result.transaction) : undefined,
    after: result.success ? hash(result.shardAccount) : undefined,
    exit: result.success ? undefined : result.vmResults?.vmExitCode,
  })
  known.add(before)
  if (result.success) known.add(hash(result.shardAccount))
  return answer
}
