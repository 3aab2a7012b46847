// What is broken in the channel, one at a time, to see that the tests notice it (see scripts/mutants): every rule taken
// out as the attacks do it, every check in the source taken out, whole and each part of it, every comparison shifted by
// one, every branch taken always and never, every number that clients know changed, and the pieces below.
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { compile, compileChanged, contracts, root } from '../../scripts/compile.mjs'
import { attacks } from './attacks.mjs'

/** What neither an attack nor a pattern covers: file, text, replacement. */
const pieces = [
  ['the reserve is not kept at init', 'src/opening.tolk', 'keep(max(payment.storageFee - ownBefore(), 0));', ''],
  ['a top-up is credited to the other side', 'src/opening.tolk', 'if (isA) {\n        depositA', 'if (!isA) {\n        depositA'],
  ['a top-up keeps nothing', 'src/opening.tolk', 'keep(amount);', 'keep(0);'],
  ['an extra currency comes back with its top-up', 'src/opening.tolk', 'sendExcess(messageSender(), null, SEND_EXCESS);', 'returnExcess();'],
  ['the committed seqnos are swapped', 'src/storage.tolk', '.storeUint(seqnoA, 64)\n        .storeUint(seqnoB, 64)', '.storeUint(seqnoB, 64)\n        .storeUint(seqnoA, 64)'],
  ['a closed channel stays inited', 'src/payouts.tolk', 'saveAgreed(false, ', 'saveAgreed(true, '],
  ['a closed channel keeps its balance', 'src/payouts.tolk', 'saveAgreed(false, emptyBalance(),', 'saveAgreed(false, root.balance(),'],
  ['the shares are swapped', 'src/payouts.tolk', 'payment.destB, shareB, false', 'payment.destB, shareA, false'],
  ['withdrawals are swapped', 'src/cooperation.tolk', 'payment.destA, payA, true', 'payment.destA, payB, true'],
  ['a commit takes no more along than usual', 'src/cooperation.tolk', 'val along = spare >> 1;', 'val along = 0 as coins;'],
  ['what a withdrawal did not burn goes to A', 'src/cooperation.tolk', 'payB, false, notified, along, messageSender()', 'payB, false, notified, along, payment.destA'],
  ['what rent has taken is not left by who brings it', 'src/cooperation.tolk', 'max(-payA - payB, shareA + shareB - ownBefore())', '-payA - payB'],
  ['a currency may have something behind it', 'src/opening.tolk', 'currency.assertEnd();', ''],
  ['withdrawals are not taken off', 'src/cooperation.tolk', 'keep(isTon ? max(-payA - payB, shareA + shareB - ownBefore()) : 0);', 'keep(0);'],
  ['a withdrawal is not written down', 'src/cooperation.tolk', '        withdrawA,\n', '        withdrawA: balance.withdrawA,\n'],
  ['a share pays its own fees', 'src/payouts.tolk', 'const SEND_SHARE = SEND_MODE_PAY_FEES_SEPARATELY | SEND_MODE_BOUNCE_ON_ACTION_FAIL', 'const SEND_SHARE = SEND_MODE_BOUNCE_ON_ACTION_FAIL'],
  ['a share is told with another opcode', 'src/messages.tolk', 'const OP_CLOSED = 0xdddc88ba', 'const OP_CLOSED = 0xdddc88bb'],
  ['a withdrawal is told with another opcode', 'src/messages.tolk', 'const OP_WITHDRAWN = 0xa32f0b3c', 'const OP_WITHDRAWN = 0xa32f0b3d'],
  ['claims are not paid when the channel closes', 'src/payouts.tolk', 'shareB += claims.loadCoins();', 'claims.loadCoins();'],
  ['a claim is not taken out', 'src/jettons.tolk', 'mine = amount < 0 ? 0 : min(mine + amount, MAX_COINS);', 'mine = min(mine + max(amount, 0), MAX_COINS);'],
  ['claims grow beyond what a field holds', 'src/jettons.tolk', 'min(mine + amount, MAX_COINS)', 'mine + amount'],
  ['a share is more than a field holds', 'src/payouts.tolk', 'amount = min(amount, MAX_COINS);', ''],
  ['claims are swapped', 'src/jettons.tolk', 'if (!isA) {\n        (mine, theirs) = (theirs, mine);\n    }\n    val before', 'val before'],
  ['a claim goes to the other side', 'src/jettons.tolk', 'isA ? payment.destA : payment.destB', 'isA ? payment.destB : payment.destA'],
  ['a refused transfer is credited to the other side', 'src/jettons.tolk', 'val isA = body.loadUint(64) == 1;', 'val isA = body.loadUint(64) != 1;'],
  ['jettons for no side belong to B', 'src/jettons.tolk', 'isA = payload.loadBool() | !isTopUp;', 'isA = payload.loadBool() & isTopUp;'],
  ['jettons are credited in a dispute', 'src/jettons.tolk', 'if (isTopUp & isInited() & !root.hasQuarantine()) {', 'if (isTopUp & isInited()) {'],
  ['jettons are credited to a closed channel', 'src/jettons.tolk', 'if (isTopUp & isInited() & !root.hasQuarantine()) {', 'if (isTopUp & !root.hasQuarantine()) {'],
  ['jettons for a foreign purpose are a deposit', 'src/jettons.tolk', 'if (isTopUp & isInited() & !root.hasQuarantine()) {', 'if (isInited() & !root.hasQuarantine()) {'],
  ['a wallet is not asked for', 'src/opening.tolk', 'requestWallet(currency.loadRef(), max(min(spare >> 1, payment.storageFee >> 3), 0));', 'currency.loadRef();'],
  ['a master gets all there is', 'src/opening.tolk', 'min(spare >> 1, payment.storageFee >> 3)', '(spare >> 1)'],
  ['the reserve pays a master', 'src/opening.tolk', 'max(min(spare >> 1, payment.storageFee >> 3), 0)', '(payment.storageFee >> 3)'],
  ['a master is asked for the least only', 'src/jettons.tolk', 'requestWallet(jetton, along);', 'requestWallet(jetton, 0);'],
  ['a close takes no more along than usual', 'src/payouts.tolk', 'val along = spare / 3;', 'val along = 0 as coins;'],
  ['what a close did not burn goes to B', 'src/payouts.tolk', 'false, body, along, payment.destA', 'false, body, along, payment.destB'],
  ['the TON of a refused transfer stay', 'src/jettons.tolk', '    keep(0);\n    sendExcess(isA', '    keep(messageValue());\n    sendExcess(isA'],
  ['the TON of a refused transfer take the reserve along', 'src/jettons.tolk', '    keep(0);\n    sendExcess(isA', '    sendExcess(isA'],
  ['the TON of a refused transfer go to the other side', 'src/jettons.tolk', 'sendExcess(isA ? payment.destA : payment.destB', 'sendExcess(isA ? payment.destB : payment.destA'],
  ['the reserve of an extra currency is that of TON', 'src/opening.tolk', 'reserveGas = GAS_RESERVE_EXTRA;', ''],
  ['the reserve of a jetton is that of an extra currency', 'src/opening.tolk', 'reserveGas = GAS_RESERVE_JETTON;', ''],
  ['B gets all of the extra currency', 'src/payouts.tolk', 'val left = held.loadValue() - shareB;', 'val left = 0;'],
  ['A gets B\'s extra currency as well', 'src/payouts.tolk', 'val left = held.loadValue() - shareB;', 'val left = held.loadValue() as int;'],
  ['the bodies are swapped when B signs', 'src/disputes.tolk', 'if (!byA) {\n        (ours, theirs) = (theirs, ours);\n        (ourMark, theirMark) = (theirMark, ourMark);\n    }\n    quarantine.markA', 'quarantine.markA'],
  ['who spoke last is forgotten', 'src/disputes.tolk', 'quarantine.byA = byA;', ''],
  ['a challenge leaves no trace', 'src/disputes.tolk', 'quarantine.challenged = starterIsA != byA;', ''],
  ['whoever speaks first in a challenge has begun', 'src/disputes.tolk', 'quarantine.byA != quarantine.challenged', 'quarantine.byA'],
  ['the other side is not raised', 'src/disputes.tolk', '            theirs = raised;\n', ''],
  ['the own side is not raised', 'src/disputes.tolk', '                ours = raised;\n', ''],
  ['a challenge must be newer in the own ledger', 'src/disputes.tolk', 'isNewer |= overtaken', 'isNewer = overtaken'],
  ['what was refused is as good as what was agreed to', 'src/disputes.tolk', 'steps + knownRank', 'steps'],
  ['a start with nothing to show may be old', 'src/disputes.tolk', 'if (isUnsigned) {', 'if (isUnsigned & false) {'],
  ['a start is bound to the seqno of the other side', 'src/disputes.tolk', 'assertIsOfNow(byA ? halfOfA : halfOfB', 'assertIsOfNow(byA ? halfOfB : halfOfA'],
  ['a start is bound to the other committed seqno', 'src/disputes.tolk', 'ours.seqno());', 'theirs.seqno());'],
  ['a fine is forgotten with the next state', 'src/disputes.tolk', 'mark - knownRank + rank', 'rank'],
  ['who holds nothing back is fined', 'src/disputes.tolk', 'theirMark |= FINED;', 'ourMark |= FINED;'],
  ['the end of the window moves back', 'src/disputes.tolk', 'quarantine.starts = max(quarantine.starts, ', 'quarantine.starts = min(quarantine.starts, '],
  ['the totals of the other side are not shown', 'src/disputes.tolk', 'theirs = lastCommitted(root, !byA);', 'theirs = lastCommitted(root, byA);'],
  ['a debt is paid from nothing', 'src/disputes.tolk', 'fromB - fromA, 0), total)', 'fromB - fromA, -total), total)'],
  ['a share is more than there is', 'src/disputes.tolk', 'fromB - fromA, 0), total)', 'fromB - fromA, 0), total * 2)'],
  ['what is not shown has no sent', 'src/disputes.tolk', '.storeCoins(isA ? balance.sentA : balance.sentB)', '.storeCoins(0)'],
  ['what is not shown has no seqno', 'src/disputes.tolk', '.storeSlice(isA ? committed.getFirstBits(64) : committed.getLastBits(64))', '.storeUint(0, 64)'],
  ['half a window is a whole one', 'src/disputes.tolk', 'val half = duration >> 1;', 'val half = duration;'],
  ['half a window is a quarter', 'src/disputes.tolk', 'val half = duration >> 1;', 'val half = duration >> 2;'],
  ['fines are not paid by A', 'src/disputes.tolk', '(quarantine.markA >> 2) * closing.fine', '0'],
  ['fines are not paid by B', 'src/disputes.tolk', '(quarantine.markB >> 2) * closing.fine', '0'],
  ['the committed seqnos stay when a dispute ends', 'src/disputes.tolk', 'min(ofA.loadUint(64) + 1, MAX_SEQNO)', 'min(ofA.loadUint(64), MAX_SEQNO)'],
  ['a fee is not paid with a promise', 'src/conditionals.tolk', ' + fee.aboveZero();', ';'],
  ['a prepay is paid again', 'src/conditionals.tolk', 'settled += amount - prepay + fee;', 'settled += amount + fee;'],
  ['a fee below zero is settled', 'src/conditionals.tolk', 'fee.aboveZero()', 'fee'],
  ['something behind an amount is settled', 'src/conditionals.tolk', '"SDBEGINSX" "ENDS"', '"SDBEGINSX" "DROP"'],
  ['something behind a key is settled', 'src/conditionals.tolk', '"256 LDU" "ENDS"', '"256 LDU" "DROP"'],
  ['a label of equal bits is read as a long one', 'src/conditionals.tolk', 'entry.mustNotRepeatABit();', ''],
  ['unusual promises are not settled', 'src/walk.tolk', 'CONT:<{ settleUnusual() INLINECALLDICT }>', 'CONT:<{ 9 THROW }>'],
  ['labelled forks are plain', 'src/walk.tolk', 'headOfLabelledFork() INLINECALLDICT', 'DROP NEWC x{020120} STSLICECONST'],
  ['odd labels are not filled up', 'src/walk.tolk', 'hashed.storeUint((1 << missing) >> 1, missing);', ''],
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

/** One mutant for each part of a condition: all of it but that part. */
function withoutParts(file, text) {
  const found = []
  for (const match of text.matchAll(/(assert|if) \((.*)\)( throw \w+;| \{)$/gm)) {
    const [whole, word, condition, rest] = match
    const parts = partsOf(condition)
    if (parts.length === 1) continue
    for (const part of parts) {
      const to = `${word} (${parts.filter(other => other !== part).join(' & ')})${rest}`
      found.push({ name: `${file}: ${to.trim()}`, at: [file, match.index, whole, to] })
    }
  }
  return found
}

/** What a condition joins by `&`, outside of all brackets. */
function partsOf(condition) {
  const parts = ['']
  let depth = 0
  for (const char of condition) {
    depth += (char === '(') - (char === ')')
    if (char === '&' && depth === 0) parts.push('')
    else parts[parts.length - 1] += char
  }
  return parts.map(part => part.trim())
}

/** Two mutants for each branch: it is taken always, and never. */
function forced(file, text) {
  const found = []
  for (const match of text.matchAll(/if \((.*)\) \{$/gm)) {
    const [whole, condition] = match
    // The compiler itself needs checks for null.
    if (/[!=]= null/.test(condition)) continue
    for (const always of [true, false]) {
      const to = `val asked${match.index} = (${condition});\n    if (${always}) {`
      found.push({ name: `${file}: ${whole.slice(0, -2)} is ${always ? 'always' : 'never'} so`, at: [file, match.index, whole, to] })
    }
  }
  return found
}

/** One mutant for each number that clients know, or that a price is made of: it is one more. */
function renumbered(file, text) {
  const found = []
  for (const match of text.matchAll(/^(const (?:OP|TAG|GAS|ERROR)_\w+ = |struct \()(0x[0-9a-f]+|\d+)/gm)) {
    const [whole, before, number] = match
    const more = Number(number) + 1
    const to = before + (number.startsWith('0x') ? `0x${more.toString(16)}` : more)
    found.push({ name: `${file}: ${to}`, at: [file, match.index, whole, to] })
  }
  return found
}

/** What changes nothing that anybody can see, and why. */
export const equivalent = {}

/** All of them: a name, and either `edits` or one edit `at` a place. */
export function mutants() {
  const list = attacks.map(attack => ({ name: `${attack.rule}: ${attack.name}`, edits: attack.without, attack }))
  for (const [name, ...edits] of pieces) list.push({ name, edits })
  for (const name of readdirSync(join(root, 'src'))) {
    if (name === 'wallet.tolk') continue
    const file = `src/${name}`
    const text = readFileSync(join(root, file), 'utf8')
    list.push(...withoutChecks(file, text), ...withoutParts(file, text), ...shifted(file, text), ...forced(file, text), ...renumbered(file, text))
  }
  const times = new Map()
  for (const mutant of list) {
    const { name } = mutant
    times.set(name, (times.get(name) ?? 0) + 1)
    if (times.get(name) > 1) mutant.name += ` (${times.get(name)})`
  }
  return list
}

/** The code of a mutant. */
export async function codeOf({ edits, at }) {
  if (edits) return compileChanged(edits)
  const [file, index, from, to] = at
  const { code } = await compile(contracts.channel, (path, text) => {
    if (!path.endsWith(file)) return text
    if (text.slice(index, index + from.length) !== from) throw new Error(`${file} has changed while it was read`)
    return text.slice(0, index) + to + text.slice(index + from.length)
  })
  return code
}
