// Breaks the channel in every way on the list, one at a time, and runs the tests: each mutant must be caught.
//
// The list: every rule taken out as the attacks do it, every check in the source taken out, every comparison in it
// shifted by one, and the pieces below. `node scripts/mutants.mjs [part of a name]` runs some of them.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { compile, compileChanged, contracts, root } from './compile.mjs'
import { attacks } from '../test/lib/attacks.mjs'

/** Tests in the order of how fast they are; the first that fails has caught the mutant. */
const suites = ['ton', 'disputes', 'settlement', 'extra', 'jettons', 'matrix', 'honest', 'model', 'attacks']
const environment = { MODEL_SEQUENCES: '150', HONEST_SEQUENCES: '120' }

/** What neither an attack nor a pattern covers: file, text, replacement. */
const pieces = [
  ['the reserve is not kept at init', 'src/opening.tolk', 'keep(max(payment.storageFee - ownBefore(), 0));', ''],
  ['a top-up is credited to the other side', 'src/opening.tolk', 'if (isA) {\n        depositA', 'if (!isA) {\n        depositA'],
  ['a top-up keeps nothing', 'src/opening.tolk', 'keep(amount);', 'keep(0);'],
  ['an extra currency comes back with its top-up', 'src/channel.tolk', 'return returnExcess(in.senderAddress, []);', 'return returnExcess(in.senderAddress, in.valueExtra);'],
  ['the committed seqnos are swapped', 'src/storage.tolk', '.storeUint(seqnoA, 64)\n        .storeUint(seqnoB, 64)', '.storeUint(seqnoB, 64)\n        .storeUint(seqnoA, 64)'],
  ['a closed channel stays inited', 'src/payouts.tolk', 'saveAgreed(false, ', 'saveAgreed(true, '],
  ['a closed channel keeps its balance', 'src/payouts.tolk', 'saveAgreed(false, emptyBalance(),', 'saveAgreed(false, root.balance(),'],
  ['the shares are swapped', 'src/payouts.tolk', 'payShare(payment.currency, payment.destB, shareB, false, body);', 'payShare(payment.currency, payment.destB, shareA, false, body);'],
  ['withdrawals are swapped', 'src/cooperation.tolk', 'payShare(payment.currency, payment.destA, payA, true, notified);', 'payShare(payment.currency, payment.destA, payB, true, notified);'],
  ['withdrawals are not taken off', 'src/cooperation.tolk', 'keep(isTon ? -payA - payB : 0 as coins);', 'keep(0);'],
  ['a withdrawal is not written down', 'src/cooperation.tolk', '        withdrawA,\n', '        withdrawA: balance.withdrawA,\n'],
  ['a share pays its own fees', 'src/payouts.tolk', 'const SEND_SHARE = SEND_MODE_PAY_FEES_SEPARATELY | SEND_MODE_BOUNCE_ON_ACTION_FAIL', 'const SEND_SHARE = SEND_MODE_BOUNCE_ON_ACTION_FAIL'],
  ['a share is told with another opcode', 'src/messages.tolk', 'const OP_CLOSED = 0xdddc88ba', 'const OP_CLOSED = 0xdddc88bb'],
  ['a withdrawal is told with another opcode', 'src/messages.tolk', 'const OP_WITHDRAWN = 0xa32f0b3c', 'const OP_WITHDRAWN = 0xa32f0b3d'],
  ['claims are not paid when the channel closes', 'src/payouts.tolk', 'shareB += claims.loadCoins();', 'claims.loadCoins();'],
  ['a claim is not taken out', 'src/jettons.tolk', 'mine = amount < 0 ? 0 : mine + amount;', 'mine = mine + max(amount, 0);'],
  ['claims are swapped', 'src/jettons.tolk', 'if (!isA) {\n        (mine, theirs) = (theirs, mine);\n    }\n    val before', 'val before'],
  ['a claim goes to the other side', 'src/jettons.tolk', 'isA ? payment.destA : payment.destB', 'isA ? payment.destB : payment.destA'],
  ['a refused transfer is credited to the other side', 'src/jettons.tolk', 'val isA = body.loadUint(64) == 1;', 'val isA = body.loadUint(64) != 1;'],
  ['jettons for no side belong to B', 'src/jettons.tolk', 'isA = payload.loadBool() | !isTopUp;', 'isA = payload.loadBool() & isTopUp;'],
  ['jettons are credited in a dispute', 'src/jettons.tolk', 'if (isTopUp & isInited() & !root.hasQuarantine()) {', 'if (isTopUp & isInited()) {'],
  ['jettons are credited to a closed channel', 'src/jettons.tolk', 'if (isTopUp & isInited() & !root.hasQuarantine()) {', 'if (isTopUp & !root.hasQuarantine()) {'],
  ['jettons for a foreign purpose are a deposit', 'src/jettons.tolk', 'if (isTopUp & isInited() & !root.hasQuarantine()) {', 'if (isInited() & !root.hasQuarantine()) {'],
  ['a wallet is not asked for', 'src/opening.tolk', 'requestWallet(currency.preloadRef());', ''],
  ['the reserve of an extra currency is that of TON', 'src/opening.tolk', 'reserveGas = GAS_RESERVE_EXTRA;', ''],
  ['the reserve of a jetton is that of an extra currency', 'src/opening.tolk', 'reserveGas = GAS_RESERVE_JETTON;', ''],
  ['B gets all of the extra currency', 'src/payouts.tolk', 'val left = held.loadValue() - shareB;', 'val left = 0;'],
  ['A gets B\'s extra currency as well', 'src/payouts.tolk', 'val left = held.loadValue() - shareB;', 'val left = held.loadValue() as int;'],
  ['the bodies are swapped when B signs', 'src/disputes.tolk', 'if (!byA) {\n        (ours, theirs) = (theirs, ours);\n        (ourMark, theirMark) = (theirMark, ourMark);\n    }\n    quarantine.markA', 'quarantine.markA'],
  ['who spoke last is forgotten', 'src/disputes.tolk', 'quarantine.byA = byA;', ''],
  ['a challenge leaves no trace', 'src/disputes.tolk', 'quarantine.challenged = true;', ''],
  ['the other side is not raised', 'src/disputes.tolk', '(theirs, theirMark, score) = raise(', 'val (unused1, unused2, unused3) = raise('],
  ['what is not shown has no sent', 'src/disputes.tolk', '.storeCoins(isA ? balance.sentA : balance.sentB)', '.storeCoins(0)'],
  ['what is not shown has no seqno', 'src/disputes.tolk', '.storeSlice(isA ? committed.getFirstBits(64) : committed.getLastBits(64))', '.storeUint(0, 64)'],
  ['half a window is a whole one', 'src/disputes.tolk', 'val half = duration >> 1;', 'val half = duration;'],
  ['half a window is a quarter', 'src/disputes.tolk', 'val half = duration >> 1;', 'val half = duration >> 2;'],
  ['fines are not paid by A', 'src/disputes.tolk', '(quarantine.markA >> 2) * closing.fine', '0'],
  ['fines are not paid by B', 'src/disputes.tolk', '(quarantine.markB >> 2) * closing.fine', '0'],
  ['the committed seqnos stay when a dispute ends', 'src/disputes.tolk', 'min(ofA.loadUint(64) + 1, MAX_SEQNO)', 'min(ofA.loadUint(64), MAX_SEQNO)'],
  ['a fee is not paid with a promise', 'src/conditionals.tolk', 'settled += amount + fee;', 'settled += amount;'],
  ['a prepay is paid again', 'src/conditionals.tolk', 'settled += amount - prepay + fee;', 'settled += amount + fee;'],
  ['a prepay above the amount is settled', 'src/conditionals.tolk', '(prepay <= amount) & ', ''],
  ['unusual promises are not settled', 'src/walk.tolk', '"<{ settleUnusual() INLINECALLDICT }>c PUSHREFCONT SWAP 2 2 TRYARGS"', '"<{ 9 THROW }>c PUSHREFCONT SWAP 2 2 TRYARGS"'],
  ['labelled forks are plain', 'src/walk.tolk', 'headOfLabelledFork() INLINECALLDICT', 'DROP NEWC x{020120} STSLICECONST'],
  ['odd labels are not filled up', 'src/walk.tolk', 'if (odd != 0) {', 'if (odd == 9) {'],
  ['labels of equal bits are long ones', 'src/walk.tolk', 'length = label.loadUint(lengthBits);', ''],
  ['the depth of a fork is that of its left side', 'src/walk.tolk', 's3 s1 PUSH2 MAX INC', 's3 PUSH INC'],
  ['the hashes of a fork are swapped', 'src/walk.tolk', 's0 s5 XCHG s1 s4 XCHG"', 's0 s5 XCHG s1 s4 XCHG s2 s4 XCHG"'],
]

/** One mutant for each check: it is made, and nothing comes of it. */
function withoutChecks(file, text) {
  const found = []
  for (const match of text.matchAll(/assert \((.*)\) throw (\w+);/g)) {
    const [whole, condition, error] = match
    // The compiler itself needs checks for null; of those only the code can be wrong.
    const to = condition.includes('!= null') || condition.includes('== null')
      ? `assert (${condition}) throw 77;`
      : `val made${match.index} = (${condition});`
    found.push({ name: `${file}: no ${whole}`, at: [file, match.index, whole, to] })
  }
  return found
}

/** One mutant for each comparison of numbers that matters at its edge. */
function shifted(file, text) {
  const found = []
  const turn = { ' >= ': ' > ', ' > ': ' >= ', ' < ': ' <= ', ' <= ': ' < ' }
  text.split('\n').forEach((line, index, lines) => {
    if (/^\s*(\/\/|")/.test(line) || !/(assert|if|val |return|=) ?/.test(line)) return
    for (const match of line.matchAll(/ (>=|<=|>|<) /g)) {
      const start = lines.slice(0, index).join('\n').length + (index ? 1 : 0)
      const to = line.slice(0, match.index) + turn[match[0]] + line.slice(match.index + match[0].length)
      found.push({ name: `${file}: ${to.trim()}`, at: [file, start, line, to] })
    }
  })
  return found
}

/** Shifts that change nothing anybody can see, and why. */
const equivalent = {
  'if (amount >= 0) {': 'a share of nothing would be sent as a message of nothing, which the emulator refuses for jettons only',
  'mine = amount <= 0 ? 0 : mine + amount;': 'nobody is refused an amount of nothing',
  'return high >= 0 ? self.loadUint(256) : self.loadInt(bits);': 'covered by the encodings above it',
}

function list() {
  const mutants = attacks.map(({ rule, name, without }) => ({ name: `${rule}: ${name}`, edits: without }))
  for (const [name, ...edits] of pieces) mutants.push({ name, edits })
  for (const name of readdirSync(join(root, 'src'))) {
    if (name === 'wallet.tolk') continue
    const file = `src/${name}`
    const text = readFileSync(join(root, file), 'utf8')
    mutants.push(...withoutChecks(file, text), ...shifted(file, text))
  }
  return mutants.filter(({ name }) => !Object.keys(equivalent).some(text => name.endsWith(text)))
}

async function codeOf({ edits, at }) {
  if (edits) return compileChanged(edits)
  const [file, index, from, to] = at
  const { code } = await compile(contracts.channel, (path, text) => {
    if (!path.endsWith(file)) return text
    if (text.slice(index, index + from.length) !== from) throw new Error(`${file} has changed while it was read`)
    return text.slice(0, index) + to + text.slice(index + from.length)
  })
  return code
}

function passes(suite, codePath) {
  return new Promise(resolve => {
    const child = spawn(process.execPath, [join(root, 'test', `${suite}.test.mjs`)], {
      env: { ...process.env, ...environment, CHANNEL_CODE: codePath },
      stdio: 'ignore',
    })
    child.on('exit', code => resolve(code === 0))
  })
}

const folder = mkdtempSync(join(tmpdir(), 'mutants-'))
const wanted = process.argv[2] ?? ''
const queue = list().filter(({ name }) => name.includes(wanted))
const total = queue.length
const survivors = []
const broken = []
let done = 0

async function work() {
  for (let mutant = queue.shift(); mutant; mutant = queue.shift()) {
    const path = join(folder, `${total - queue.length}.boc`)
    let caught
    try {
      writeFileSync(path, (await codeOf(mutant)).toBoc())
    } catch (error) {
      broken.push(`${mutant.name}\n    ${error.message.split('\n')[0]}`)
      continue
    }
    for (const suite of suites) {
      if (await passes(suite, path)) continue
      caught = suite
      break
    }
    done += 1
    if (!caught) survivors.push(mutant.name)
    console.log(`${done}/${total} ${caught ? `caught by ${caught}` : 'SURVIVES'}: ${mutant.name}`)
  }
}

await Promise.all(Array.from({ length: Math.max(1, Math.min(4, cpus().length)) }, work))
rmSync(folder, { recursive: true })
console.log(`\n${done - survivors.length} of ${done} mutants caught`)
for (const name of broken) console.log(`does not compile: ${name}`)
for (const name of survivors) console.log(`survives: ${name}`)
if (survivors.length > 0 || broken.length > 0) process.exit(1)
