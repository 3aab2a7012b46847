// Runs the contract tests and the gas script, and writes down what the official emulator made of their messages. The
// devnet's own TVM must make the same of them: `crates/devnet/tests/replay.rs`, which describes the file, demands it.
//
// Each message that is kept is run twice: by the emulator's snapshot of the chain's config, as the test wants it, and by
// the devnet's own. Of transactions that look alike in a suite only the first is kept (see `kindOf`). Only accounts that
// hold the code that is built here are recorded: other people's contracts, those of jettons among them, stay out of the
// file.
//
// The file is one tree of cells, so that what transactions have in common, code above all, stands in it once.
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import sandbox from '@ton/sandbox'
import core from '@ton/core'
import { paramsOf } from '../test/lib/world.mjs'

const { Cell, Dictionary, beginCell, loadMessage, loadShardAccount, loadTransaction } = core
const self = fileURLToPath(import.meta.url)
const root = join(self, '../..')
const target = join(root, '../crates/devnet/tests/recorded.boc')

const OPERATIONS = new Map(
  [...readFileSync(join(root, 'src/messages.tolk'), 'utf8').matchAll(/^const OP_(\w+) = (0x\w+)/gm)].map(([, name, op]) => [Number(op), name]),
)

if (process.argv[1] === self) await record()
else watch(process.env.RECORD)

/** Writes what the emulator does in this process into `folder`; the process is one of those that `record` starts. */
function watch(folder) {
  const built = JSON.parse(readFileSync(join(root, 'build/hashes.json'), 'utf8'))
  const ours = new Map(Object.entries(built).map(([name, { hash }]) => [hash, name]))
  const devnet = readFileSync(join(folder, 'config'), 'utf8')
  const kept = []
  const foreign = new Set()
  const kinds = new Set()
  const run = sandbox.Executor.prototype.runTransaction
  sandbox.Executor.prototype.runTransaction = async function (args) {
    const answer = await run.call(this, args)
    const message = loadMessage(args.message.beginParse())
    const { account } = loadShardAccount(Cell.fromBase64(args.shardAccount).beginParse())
    const state = account?.storage.state
    const code = (state?.type === 'active' ? state.state : message.init)?.code?.hash().toString('hex')
    if (code && !ours.has(code)) {
      foreign.add(code)
      return answer
    }
    const { success, transaction, shardAccount: after, vmResults } = answer.result
    const made = success ? loadTransaction(Cell.fromBase64(transaction).beginParse()) : undefined
    const kind = kindOf(ours.get(code), state, message, made, vmResults?.vmExitCode)
    if (kinds.has(kind)) return answer
    kinds.add(kind)
    kept.push(written(args, answer))
    if (args.config === sandbox.defaultConfig) {
      const again = { ...args, config: devnet }
      kept.push(written(again, await run.call(this, again)))
    }
    return answer
  }
  process.on('exit', () => writeFileSync(join(folder, `${process.pid}.json`), JSON.stringify({ kept, foreign: [...foreign] })))
}

/** What the recording keeps of a run. */
function written({ config, shardAccount, message, now, lt }, { result }) {
  const outcome = result.success
    ? { transaction: result.transaction, after: result.shardAccount }
    : { message: message.toBoc().toString('base64'), exit: result.vmResults?.vmExitCode }
  return { config, before: shardAccount, now, lt: Number(lt), ...outcome }
}

/** What one transaction has in common with others: contract, currency, phase, message, outcome. */
function kindOf(contract, state, message, made, refusal) {
  const body = message.body.beginParse()
  const bounced = message.info.type === 'internal' && message.info.bounced
  if (bounced && body.remainingBits >= 32) body.skip(32)
  const op = body.remainingBits >= 32 ? body.preloadUint(32) : 'none'
  const parts = [contract, message.info.type, bounced, contract === 'channel' ? OPERATIONS.get(op) : message.body.refs.length]
  if (state?.type === 'active' && contract === 'channel') {
    const { data } = state.state
    const terms = data.refs.at(-1).beginParse()
    terms.loadCoins()
    terms.loadAddressAny()
    terms.loadAddressAny()
    const currency = terms.remainingRefs > 0 ? 'jetton' : terms.remainingBits > 1 ? 'extra' : 'TON'
    // Whether it is open, whether there is a dispute, whether it was closed.
    parts.push(currency, data.bits.at(0), data.refs.length, data.beginParse().skip(641).preloadUintBig(64) > 0n)
  } else {
    parts.push(state?.type ?? 'absent', Boolean(message.init))
  }
  if (!made) return [...parts, 'not accepted', refusal].join()
  const { computePhase, actionPhase, bouncePhase } = made.description
  const size = Math.round(Math.log2(1 + countCells(message.body)))
  parts.push(computePhase.exitCode ?? computePhase.reason, actionPhase?.resultCode, bouncePhase?.type, made.outMessagesCount, size)
  return parts.join()
}

function countCells(cell) {
  return cell.refs.reduce((sum, ref) => sum + countCells(ref), 1)
}

async function record() {
  const folder = mkdtempSync(join(tmpdir(), 'record-'))
  const options = { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }
  writeFileSync(join(folder, 'config'), execFileSync('cargo', ['run', '-q', '-p', 'devnet', '--example', 'config'], options).trim())
  const isSuite = name => name.endsWith('.test.mjs') && !name.startsWith('readme')
  const suites = readdirSync(join(root, 'test')).filter(isSuite).sort()
  const kept = []
  const foreign = new Set()
  for (const path of [...suites.map(name => `test/${name}`), 'scripts/gas.mjs']) {
    await play(path, folder)
    for (const name of readdirSync(folder).filter(name => name.endsWith('.json'))) {
      const part = JSON.parse(readFileSync(join(folder, name), 'utf8'))
      kept.push(...part.kept)
      part.foreign.forEach(hash => foreign.add(hash))
      rmSync(join(folder, name))
    }
    console.log(`${path}: ${kept.length} transactions by now`)
  }
  rmSync(folder, { recursive: true })

  const tree = pack(kept)
  for (const hash of hashesIn(tree)) {
    if (foreign.has(hash)) throw new Error(`the code ${hash} of somebody else would be written down`)
  }
  const bytes = tree.toBoc({ idx: false, crc32: true })
  writeFileSync(target, bytes)
  console.log(`${target}: ${bytes.length} bytes`)
}

/** Runs a test file to its end, and fails with it. */
function play(path, folder) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', self, join(root, path)], {
      cwd: root,
      env: { ...process.env, RECORD: folder, MODEL_SEQUENCES: '150', HONEST_SEQUENCES: '120' },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    child.on('exit', code => (code === 0 ? resolve() : reject(new Error(`${path} ended with ${code}`))))
  })
}

/** One tree of all that was kept; replay.rs has its TL-B. */
function pack(kept) {
  const cells = new Map()
  const cell = base64 => {
    if (!cells.has(base64)) cells.set(base64, Cell.fromBase64(base64))
    return cells.get(base64)
  }
  const configs = [...new Set(kept.map(item => item.config))]
  const byIndex = Dictionary.empty(Dictionary.Keys.Uint(8), Dictionary.Values.Cell())
  configs.forEach((config, index) => byIndex.set(index, withoutValidators(cell(config))))
  const cases = Dictionary.empty(Dictionary.Keys.Uint(16), Dictionary.Values.Cell())
  const seen = new Set()
  for (const item of kept) {
    const identity = JSON.stringify([item.config, item.transaction ?? item])
    if (seen.has(identity)) continue
    seen.add(identity)
    const builder = beginCell()
      .storeBit(Boolean(item.transaction))
      .storeUint(configs.indexOf(item.config), 8)
      .storeUint(item.now, 32)
      .storeUint(item.lt, 64)
      .storeRef(cell(item.before))
    if (item.transaction) builder.storeRef(cell(item.transaction)).storeRef(cell(item.after))
    else builder.storeMaybeInt(item.exit ?? null, 32).storeRef(cell(item.message))
    cases.set(cases.size, builder.endCell())
  }
  return beginCell().storeDict(byIndex).storeDict(cases).endCell()
}

/** Nothing in a transaction depends on the lists of validators, which are most of a config. */
function withoutValidators(config) {
  const params = paramsOf(config)
  for (let list = 32; list <= 37; list += 1) params.delete(list)
  return beginCell().storeDictDirect(params).endCell()
}

function hashesIn(cell, seen = new Set()) {
  const hash = cell.hash().toString('hex')
  if (!seen.has(hash)) {
    seen.add(hash)
    cell.refs.forEach(ref => hashesIn(ref, seen))
  }
  return seen
}
