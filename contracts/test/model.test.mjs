// The contract beside a ledger on paper, driven by thousands of random sequences of messages: valid, stale, forged,
// out of order, with jumps in time. After every message both must agree on everything.
//
// MODEL_SEQUENCES sets how many sequences there are, MODEL_SEED where they begin; a failure names the seed to repeat it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import core from '@ton/core'
import * as cells from './lib/cells.mjs'
import { Channel, currencies, running, ton } from './lib/channel.mjs'
import { keyOf } from './lib/keys.mjs'
import { Ledger, min } from './lib/model.mjs'
import { dictionaryOf, promise } from './lib/promises.mjs'
import { randomOf } from './lib/random.mjs'
import { internal } from './lib/world.mjs'

const SEQUENCES = Number(process.env.MODEL_SEQUENCES ?? 2000)
const FIRST = Number(process.env.MODEL_SEED ?? 1)
const STEPS = 12
const FINE = 700n

// Keys and signatures take longest, so all sequences share a pool of promises.
const POOL = Array.from({ length: 40 }, (_, index) => {
  const worthless = index % 10 === 9
  const deadline = index % 7 === 6 ? 1_700_000_000 + 40_000 : 1_800_000_000
  const fee = BigInt(index % 3)
  const amount = BigInt(20 + index)
  const item = promise(`pool ${index}`, { fee, capacity: 100n, amount, deadline })
  return {
    ...item,
    deadline,
    honest: !worthless,
    resolve: worthless ? cells.resolveCell(keyOf('thief'), amount) : item.resolve,
  }
})

/** What makes sense in a phase. */
const likely = {
  open: ['topUp', 'topUp', 'commit', 'commit', 'start', 'start', 'start', 'start', 'start', 'close'],
  window: ['challenge', 'challenge', 'challenge', 'challenge', 'challenge', 'challenge', 'commit', 'settle', 'finish', 'topUp'],
  settling: ['settle', 'settle', 'settle', 'settle', 'settle', 'settle', 'challenge', 'finish', 'commit'],
  awaiting: ['finish', 'finish', 'finish', 'settle', 'challenge', 'commit', 'topUp'],
  closed: ['topUp', 'commit', 'close', 'start', 'challenge', 'settle', 'finish', 'init'],
}

const NOBODY = keyOf('nobody')

const hashes = new Map()

/** The root hash of a book of which some promises are gone. */
function hashOf(book, gone) {
  const name = book.map(item => `${POOL.indexOf(item)}${gone.has(item) ? '-' : ''}`).join()
  if (!hashes.has(name)) hashes.set(name, cells.rootHash(dictionaryOf(book, [...gone])))
  return hashes.get(name)
}

/** A channel and its ledger, opened the same way, with what both sides might have signed. */
class Run {
  static templates = new Map()

  static async start(seed) {
    const random = randomOf(seed)
    const kind = random.pick(Object.keys(currencies))
    if (Run.templates.get(kind)?.code !== running.code) {
      const channel = await Channel.create({ fine: FINE, ...currencies[kind] })
      await channel.deploy()
      if (kind === 'jetton') await channel.learnWallet()
      Run.templates.set(kind, { channel, code: running.code, snapshot: channel.world.snapshot() })
    }
    const { channel, snapshot } = Run.templates.get(kind)
    channel.world.restore(snapshot)
    const run = new Run()
    Object.assign(run, { random, kind, channel, ledger: new Ledger(channel.terms), log: [] })
    run.ledger.inited = true
    for (const side of [0, 1]) await run.step({ op: 'topUp', side, amount: 1000n + random.amount(2000) })
    run.histories = [run.history(0), run.history(1)]
    return run
  }

  /** States of a side since the last commit, newer and newer, now and then two with the same seqno. */
  history(side) {
    const { random, ledger } = this
    const bodies = []
    let seqno = ledger.committed[side]
    let sent = ledger.sent[side]
    for (let i = 0; i < 6; i += 1) {
      if (i === 0 || !random.chance(0.2)) seqno += 1n + random.amount(2)
      sent += random.amount(300)
      const from = random.below(POOL.length)
      const book = random.chance(0.4) ? [] : POOL.slice(from, from + 1 + random.below(4))
      bodies.push({ seqno, sent, book, gone: new Set() })
    }
    return bodies
  }

  /** The body as it stands in cells. */
  written({ seqno, sent, book, gone }) {
    return { seqno, sent, hash: hashOf(book, gone) }
  }

  defects(message) {
    const { random } = this
    if (random.chance(0.03)) message.badSignature = true
    else if (random.chance(0.02)) message.badTag = true
    else if (random.chance(0.02)) message.badId = true
    return message
  }

  /** Mostly a little newer than what is known, sometimes older or from before the last commit. */
  evidence(by) {
    const { random, histories, ledger } = this
    if (random.chance(0.08)) return null
    const body = side => {
      const known = ledger.dispute?.body[side].seqno ?? ledger.committed[side]
      const newer = histories[side].filter(({ seqno }) => seqno >= known)
      return random.pick(newer.length > 0 && random.chance(0.8) ? newer.slice(0, 3) : histories[side])
    }
    return this.defects({ theirs: body(1 - by), ours: random.chance(0.7) ? body(by) : null })
  }

  agreement(op) {
    const { random, ledger } = this
    const newest = side => ledger.dispute?.body[side].seqno ?? ledger.committed[side]
    const seqno = side => (random.chance(0.1) ? ledger.committed[side] + random.amount(2) : newest(side) + 1n + random.amount(2))
    const message = { op, sent: [random.amount(900), random.amount(900)], seqno: [seqno(0), seqno(1)] }
    if (op === 'commit') {
      message.withdraw = [0, 1].map(side => {
        const total = ledger.withdrawn[side] + random.amount(400)
        return random.chance(0.1) ? total - random.amount(Number(min(total, 300n))) : random.chance(0.4) ? ledger.withdrawn[side] : total
      })
      if (random.chance(0.03)) message.poor = true
    }
    return this.defects(message)
  }

  settlement() {
    const { random, ledger } = this
    const open = side => ledger.dispute?.body[1 - side].book.filter(item => !ledger.dispute.body[1 - side].gone.has(item)).length ?? 0
    const by = open(0) > 0 && open(1) > 0 ? random.below(2) : open(0) > 0 ? 0 : 1
    const body = ledger.dispute?.body[1 - by] ?? random.pick(this.histories[1 - by])
    const stale = random.chance(0.1)
    const { book, gone } = stale ? random.pick(this.histories[1 - by]) : body
    const items = book.filter(() => random.chance(0.6))
    return this.defects({ op: 'settle', by, book, gone: new Set(gone), items })
  }

  /** The next message: mostly what makes sense now, sometimes anything. */
  next() {
    const { random, ledger, kind } = this
    const by = random.below(2)
    const side = random.below(2)
    const make = {
      topUp: () => ({ op: kind === 'jetton' ? 'notification' : 'topUp', side, amount: 1n + random.amount(500) }),
      commit: () => this.agreement('commit'),
      close: () => this.agreement('close'),
      start: () => this.defects({ op: 'start', by, evidence: this.evidence(by) }),
      challenge: () => this.defects({ op: 'challenge', by, evidence: this.evidence(by) }),
      settle: () => this.settlement(),
      finish: () => ({ op: 'finish' }),
      init: () => this.defects({ op: 'init' }),
      claim: () => ({ op: 'claim', side }),
      refusal: () => ({ op: 'refusal', side, amount: random.amount(50) }),
    }
    if (kind !== 'jetton') {
      delete make.claim
      delete make.refusal
    }
    if (ledger.claims[side] > 0n && random.chance(0.3)) return make.claim()
    if (random.chance(0.15)) return make[random.pick(Object.keys(make))]()
    return make[random.pick(likely[this.phase])]()
  }

  get phase() {
    const { ledger, channel } = this
    const { dispute, closed, terms } = ledger
    if (!dispute) return closed ? 'closed' : 'open'
    const left = dispute.starts + terms.quarantine - channel.world.now
    if (left > 0) return 'window'
    return left + terms.settle > 0 ? 'settling' : 'awaiting'
  }

  /** Time passes: mostly little, now and then to just before or after something that matters. */
  passTime() {
    const { random, ledger, channel } = this
    const { world, terms } = channel
    const { dispute } = ledger
    const phase = this.phase
    const moves = { open: 0.3, window: 0.35, settling: 0.25, awaiting: 0.2, closed: 0.1 }
    if (!random.chance(moves[phase])) return
    if (phase === 'window' && random.chance(0.4)) {
      world.now += random.below(terms.quarantine / 3)
    } else if (dispute) {
      const edges = [dispute.starts + terms.quarantine, dispute.starts + terms.quarantine + terms.settle]
      const target = (phase === 'window' ? edges[0] : edges[1]) + random.pick([-1, 0, 0, 1])
      world.now = Math.max(world.now, target)
    } else {
      world.now += random.below(2000)
    }
  }

  send(message) {
    const { channel, kind } = this
    const { id, keyA, keyB } = channel
    const over = {}
    const signerOf = side => (message.badSignature ? NOBODY : [keyA, keyB][side])
    if (message.badTag) over.tag = 0x01020304
    if (message.badId) over.id = 99n
    switch (message.op) {
      case 'init':
        return channel.deploy({ key: signerOf(0), ...over })
      case 'topUp':
        return channel.topUp(message.side === 0, message.amount)
      case 'notification':
        return channel.notify(message.amount, { payload: cells.topUpMessage(message.side === 0) })
      case 'refusal': {
        const body = core.beginCell().storeUint(0xffffffff, 32).storeUint(0x0f8a7ea5, 32).storeUint(message.side === 0 ? 1 : 0, 64)
          .storeCoins(message.amount).endCell()
        const bounced = internal({ from: Channel.wallet, to: channel.address, value: ton('0.05'), body, bounce: false })
        bounced.info.bounced = true
        return channel.world.send(bounced).then(receipts => Object.assign(receipts[0], { receipts }))
      }
      case 'claim':
        return channel.claim(message.side === 0, { value: ton('0.3') })
      case 'commit':
      case 'close': {
        const terms = { sentA: message.sent[0], sentB: message.sent[1], seqnoA: message.seqno[0], seqnoB: message.seqno[1] }
        if (message.badSignature) terms.keyB = NOBODY
        if (message.withdraw) Object.assign(terms, { withdrawA: message.withdraw[0], withdrawB: message.withdraw[1] })
        return channel[message.op]({ ...terms, ...over }, { value: message.poor ? ton('0.0119') : ton('0.4') })
      }
      case 'start':
      case 'challenge': {
        const { evidence } = message
        let theirs
        if (evidence) {
          theirs = { own: this.written(evidence.theirs), counterparty: evidence.ours ? this.written(evidence.ours) : undefined }
          if (evidence.badSignature) theirs.key = NOBODY
          if (evidence.badTag) theirs.tag = 0x01020304
          if (evidence.badId) theirs.id = 99n
        }
        return channel[message.op]({ byA: message.by === 0, key: signerOf(message.by), theirs, ...over })
      }
      case 'settle': {
        const dict = dictionaryOf(message.book, [...message.gone])
        const proof = message.book.length === 0 ? core.Cell.EMPTY : dict.generateMerkleProof(message.items.map(item => item.slot))
        const resolves = message.items.map(item => [item.slot, item.resolve])
        return channel.settle({ fromA: message.by === 0, key: signerOf(message.by), dict, proof, resolves, ...over }, { value: ton('0.6') })
      }
      default:
        return channel.finish({ value: ton('0.4') })
    }
  }

  /** What A and B were paid by a transaction, in the channel's currency. */
  payments(receipt) {
    const { channel, kind } = this
    const paid = [0n, 0n]
    const closing = channel.storage.inited === false
    for (const message of receipt.sent) {
      const { dest, value } = message.info
      const body = message.body.beginParse()
      const op = body.remainingBits >= 32 ? body.loadUint(32) : 0
      if (kind === 'jetton') {
        if (op !== 0x0f8a7ea5) continue
        const side = Number(1n - body.loadUintBig(64))
        paid[side] += body.loadCoins()
        assert.ok(body.loadAddress().equals([channel.a, channel.b][side]))
        continue
      }
      if (op !== cells.OP.closed && op !== cells.OP.withdrawn) continue
      const side = dest.equals(channel.a) ? 0 : 1
      if (kind === 'extra') paid[side] += value.other?.get(channel.terms.currency.id) ?? 0n
      // A's last message carries what is left of the reserve as well.
      else paid[side] += closing && side === 0 ? value.coins - (value.coins - this.ledgerPaid[0]) : value.coins
      if (kind === 'TON' && closing && side === 0) assert.ok(value.coins >= this.ledgerPaid[0], 'A got less than its share')
    }
    return paid
  }

  async step(message) {
    const { channel, ledger, kind } = this
    const { world } = channel
    this.log.push(`${world.now} ${JSON.stringify(message, (key, value) => describe(key, value))}`)
    const { held } = ledger
    const before = ledger.copy()
    const expected = ledger.apply(message, world.now)
    this.ledgerPaid = expected.paid
    this.accepted = expected.code === 0
    const own = channel.balance
    const receipt = await this.send(message)

    assert.equal(receipt.exitCode, expected.code)
    if (expected.code === 0) {
      assert.equal(receipt.actionCode, 0)
      assert.deepEqual(this.payments(receipt), expected.paid)
    }
    this.compare()
    if (this.accepted) this.checkDues(before, message)

    // Nothing appears and nothing is lost: what is held changes by what came and what was paid.
    const came = expected.code === 0 && ['topUp', 'notification', 'refusal'].includes(message.op) ? message.amount : 0n
    assert.equal(ledger.held, held + came - expected.paid[0] - expected.paid[1])
    if (kind === 'extra') assert.equal(world.extra(channel.address, channel.terms.currency.id), ledger.held)
    // And nobody's fees are paid from it, nor from the reserve.
    const rent = receipt.transaction.description.storagePhase?.storageFeesCollected ?? 0n
    const principal = kind === 'TON' ? came - expected.paid[0] - expected.paid[1] : 0n
    if (ledger.inited) assert.ok(channel.balance >= own - rent + principal, 'the reserve has paid for a message')
  }

  /** What one side does alone takes nothing from the other that it did not sign away itself. */
  checkDues(before, { op, by, items }) {
    const { ledger } = this
    if (op === 'commit' || op === 'close' || op === 'finish') return
    for (const side of [0, 1]) {
      assert.ok(ledger.share(side) + ledger.claims[side] >= before.share(side) + before.claims[side] - (op === 'claim' ? before.claims[side] : 0n))
    }
    if (!ledger.dispute) return
    const them = 1 - by
    const was = side => before.dispute?.body[side] ?? { seqno: before.committed[side], sent: before.sent[side], gone: new Set() }
    const is = side => ledger.dispute.body[side]
    if (op === 'start' || op === 'challenge') {
      // A ledger only ever moves on, and only the one that shows less than it has is fined.
      for (const side of [0, 1]) assert.ok(is(side).seqno >= was(side).seqno)
      assert.equal(ledger.dispute.fined[by], before.dispute?.fined[by] ?? false)
      if (is(by).seqno === was(by).seqno && ledger.dispute.rank[by] !== 2) assert.equal(is(by).sent, was(by).sent)
    } else if (op === 'settle') {
      // Each promise once, for no more than it is worth.
      const worth = items.filter(item => !was(them).gone.has(item)).reduce((sum, item) => sum + item.worth, 0n)
      assert.ok(is(them).sent > was(them).sent && is(them).sent <= was(them).sent + worth)
      assert.deepEqual(is(by), was(by))
    }
  }

  /** Comes to the end from wherever it is, so that what each side can get is what it does get. */
  async end() {
    const { channel, ledger, random } = this
    if (ledger.closed) return
    if (!ledger.dispute) await this.step({ op: 'start', by: random.below(2), evidence: null })
    channel.world.now = Math.max(channel.world.now, ledger.dispute.starts + channel.terms.quarantine + channel.terms.settle)
    await this.step({ op: 'finish' })
    assert.ok(ledger.closed)
  }

  compare() {
    const { channel, ledger } = this
    const { storage } = channel
    assert.equal(storage.inited, ledger.inited)
    const { balance } = storage
    assert.deepEqual([balance.depositA, balance.depositB], ledger.deposit)
    assert.deepEqual([balance.withdrawA, balance.withdrawB], ledger.withdrawn)
    assert.deepEqual([balance.sentA, balance.sentB], ledger.sent)
    assert.deepEqual([storage.committedA, storage.committedB], ledger.committed)
    assert.deepEqual(storage.claims, ledger.claims)
    const { dispute } = ledger
    assert.equal(storage.quarantine === null, dispute === null)
    if (!dispute) return
    const found = channel.quarantine
    assert.deepEqual([found.a, found.b], dispute.body.map(body => this.written(body)))
    assert.deepEqual([found.rankA, found.rankB], dispute.rank)
    assert.deepEqual([found.finedA, found.finedB], dispute.fined)
    assert.deepEqual([found.starts, found.firstStart, found.byA, found.challenged],
      [dispute.starts, dispute.first, dispute.by === 0, dispute.by !== dispute.starter])
  }
}

function describe(key, value) {
  if (typeof value === 'bigint') return value.toString()
  if (key === 'book' || key === 'items') return value.map(item => POOL.indexOf(item))
  if (value instanceof Set) return [...value].map(item => POOL.indexOf(item))
  return value
}

/** What a run has reached, beyond the single messages. */
class Depth {
  seen = new Map()

  note(what) {
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1)
  }

  step({ op, by }, { ledger, accepted, phase }, before) {
    this.note(`${op} ${accepted ? 'accepted' : 'refused'}`)
    if (!accepted) return
    const { dispute } = before
    if (op === 'start') Object.assign(this, { answers: [0, 0], batches: [0, 0] })
    if (op === 'challenge') {
      this.answers[by] += 1
      if (this.answers[by] > 1) this.note('a side challenges twice')
      if (this.answers[0] > 0 && this.answers[1] > 0) this.note('both challenge')
    }
    if (op === 'settle') {
      this.batches[by] += 1
      if (this.batches[by] > 1) this.note('a side settles twice')
      if (this.batches[0] > 0 && this.batches[1] > 0) this.note('both settle')
    }
    if (op === 'commit' && dispute) {
      this.note('a commit ends a dispute')
      if (ledger.withdrawn.some((total, side) => total > before.withdrawn[side])) this.note('a commit with a withdrawal ends a dispute')
    }
    if (op === 'close' && dispute) this.note('a close ends a dispute')
    if (op === 'start' && before.committed.some(seqno => seqno > 0n)) this.note('a dispute after a commit')
    if (op === 'finish') {
      if (this.batches[0] + this.batches[1] > 0) this.note('a finish after settling')
      if (dispute.fined.includes(true)) this.note('a finish with a fine')
    }
    if (op === 'claim') this.note(`a claim while ${phase}`)
  }

  /** A generator that never reaches something proves nothing about it. */
  check() {
    const always = ['notification', 'refusal']
    const wanted = [
      'a side challenges twice', 'both challenge', 'a side settles twice', 'both settle', 'a commit ends a dispute',
      'a commit with a withdrawal ends a dispute', 'a close ends a dispute', 'a dispute after a commit', 'a finish after settling',
      'a finish with a fine', 'a claim while open', 'a claim while window', 'a claim while closed', 'init refused',
    ]
    for (const op of ['topUp', 'notification', 'refusal', 'claim', 'commit', 'close', 'start', 'challenge', 'settle', 'finish']) {
      wanted.push(`${op} accepted`)
      if (!always.includes(op)) wanted.push(`${op} refused`)
    }
    for (const what of wanted) assert.ok(this.seen.get(what) >= 5, `${what}: ${this.seen.get(what) ?? 0} times`)
  }
}

test(`the contract and the ledger agree on ${SEQUENCES} random sequences of messages`, async () => {
  const depth = new Depth()
  for (let seed = FIRST; seed < FIRST + SEQUENCES; seed += 1) {
    const run = await Run.start(seed)
    try {
      for (let step = 0; step < STEPS; step += 1) {
        run.passTime()
        const message = run.next()
        const before = run.ledger.copy()
        await run.step(message)
        depth.step(message, run, before)
        if (message.op === 'commit' && run.accepted) run.histories = [0, 1].map(side => [...run.histories[side].slice(-3), ...run.history(side)])
        if (run.phase === 'closed' && run.random.chance(0.4)) break
      }
      await run.end()
    } catch (error) {
      throw new Error(`seed ${seed}, ${run.kind}\n${run.log.join('\n')}`, { cause: error })
    }
  }
  if (process.env.MODEL_DEPTH) console.log([...depth.seen].map(line => line.join(': ')).sort().join('\n'))
  if (SEQUENCES >= 2000) depth.check()
})
