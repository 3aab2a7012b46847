// One party keeps to the protocol, the other does what it likes: whatever old, refused or unanswered state it shows,
// and whenever, the honest one gets at least what it is owed, and is never fined.
//
// HONEST_SEQUENCES sets how many histories there are, HONEST_SEED where they begin.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as cells from './lib/cells.mjs'
import { Channel, running, ton } from './lib/channel.mjs'
import { max, min } from './lib/model.mjs'
import { dictionaryOf, promise, resolvesOf } from './lib/promises.mjs'
import { randomOf } from './lib/random.mjs'

const SEQUENCES = Number(process.env.HONEST_SEQUENCES ?? 500)
const FIRST = Number(process.env.HONEST_SEED ?? 1)
const FINE = 3n
const POOL = Array.from({ length: 60 }, (_, index) => promise(`honest pool ${index}`, { fee: 1n, capacity: 50n, amount: BigInt(10 + index % 30), deadline: 1_900_000_000 }))

const sum = list => list.reduce((total, item) => total + item.worth, 0n)

/** Opened once, and what opened it. */
let template

/** Two parties and everything that they have signed for each other. */
class Story {
  static async open(seed) {
    if (template?.code !== running.code) {
      const channel = await Channel.opened({ fine: FINE, depositA: 5_000n, depositB: 5_000n })
      template = { channel, code: running.code, snapshot: channel.world.snapshot() }
    }
    const { channel, snapshot } = template
    channel.world.restore(snapshot)
    const story = new Story()
    const random = randomOf(seed)
    const honest = random.below(2)
    Object.assign(story, {
      random, channel, honest, cheat: 1 - honest,
      // The ledger of each side as both have agreed on it, and what the other side holds of it signed.
      agreed: [0, 1].map(() => ({ seqno: 0n, sent: 0n, book: [] })),
      // All states that a side has signed and given away, in order.
      signed: [[], []],
      // The newest state of a side that the other side has accepted, or got as an answer. What it refused it does not show: a proposal that
      // drops a promise without consent is newer, and is worth less to whoever was promised.
      accepted: [undefined, undefined],
      // Proposals of the honest side that were signed but not agreed to: alive until something newer is agreed to.
      loose: [],
      fresh: [...POOL],
      log: [],
    })
    return story
  }

  /** What a side signs now: its own ledger, and the other side's as it is agreed on. */
  state(side) {
    return { own: copy(this.agreed[side]), counterparty: copy(this.agreed[1 - side]) }
  }

  /** What a side might propose after a ledger: a payment, a promise, or the end of one. */
  proposal({ seqno, sent, book }) {
    const { random } = this
    const next = { seqno: seqno + 1n, sent, book: [...book] }
    const kind = random.below(4)
    if (kind === 0) next.sent += random.amount(60)
    else if (kind === 1 && this.fresh.length > 0) next.book.push(this.fresh.pop())
    else if (book.length > 0) {
      const [item] = next.book.splice(random.below(book.length), 1)
      // Kept, or cancelled: a promise is only cancelled when nobody holds its resolve.
      if (kind === 2) next.sent += item.worth
      else item.cancelled = true
    }
    return next
  }

  /**
   * One side proposes, often many steps before the first answer. The other side takes some of them, one after the other,
   * and stops at one that it refuses or has not read yet; of its answers the last ones may be lost on the way.
   */
  negotiate() {
    const { random, honest } = this
    const side = random.below(2)
    const count = random.chance(0.5) ? 1 : 1 + random.below(8)
    const bodies = []
    let from = this.agreed[side]
    for (let index = 0; index < count; index += 1) {
      from = this.proposal(from)
      bodies.push(from)
      this.signed[side].push({ own: copy(from), counterparty: copy(this.agreed[1 - side]) })
    }
    const taken = random.chance(0.2) ? random.below(count) : count
    const lost = random.chance(0.3) ? 1 + random.below(2) : 0
    this.log.push(`${side} proposes ${bodies.map(show)}, ${taken} are agreed on, ${lost} answers are lost`)
    for (const [index, body] of bodies.entries()) {
      if (index >= taken) {
        // Refused, or under way: the other side holds a signature on something that was not agreed on.
        if (side === honest) this.loose.push(body)
        continue
      }
      this.agreed[side] = body
      const answer = this.state(1 - side)
      // Whoever accepts holds the state; whoever proposed holds the answer if it comes.
      this.accepted[side] = { own: copy(body), counterparty: copy(this.agreed[1 - side]) }
      this.signed[1 - side].push(answer)
      if (index < taken - lost) this.accepted[1 - side] = answer
    }
    if (taken < count) for (const item of this.agreed[side].book) item.cancelled = false
    if (side === honest) this.loose = this.loose.filter(loose => loose.seqno > this.agreed[side].seqno)
  }

  /** Both agree to write the totals down, and sign states that stay good after it. */
  async commit() {
    const { channel, agreed } = this
    const seqno = agreed.map(body => body.seqno + 1n)
    for (const side of [0, 1]) {
      agreed[side] = { ...agreed[side], seqno: seqno[side], book: [...agreed[side].book] }
    }
    // What was under way with higher seqnos is not undone by this.
    this.loose = this.loose.filter(loose => loose.seqno > agreed[this.honest].seqno)
    for (const side of [0, 1]) this.signed[side].push(this.state(side))
    this.accepted = [0, 1].map(each => this.signed[each].at(-1))
    const receipt = await channel.commit({ sentA: agreed[0].sent, sentB: agreed[1].sent, seqnoA: seqno[0], seqnoB: seqno[1] })
    assert.equal(receipt.exitCode, 0)
    this.log.push(`commit at ${seqno}`)
  }

  written({ seqno, sent, book }) {
    return { seqno, sent, hash: cells.rootHash(dictionaryOf(book)) }
  }

  present(act, by, state) {
    const theirs = state && { own: this.written(state.own), counterparty: this.written(state.counterparty) }
    return this.channel[act]({ byA: by === 0, theirs })
  }

  quarantined(side) {
    return side === 0 ? this.channel.quarantine.a : this.channel.quarantine.b
  }

  fined(side) {
    return side === 0 ? this.channel.quarantine.finedA : this.channel.quarantine.finedB
  }

  /** What the honest side has accepted last is what it shows, if the contract does not have it. */
  async answer() {
    const { honest, cheat } = this
    const newest = this.accepted[cheat]
    if (!newest) return
    const lacks = (side, body) => {
      const known = this.quarantined(side)
      const { seqno, sent, hash } = this.written(body)
      return known.seqno <= seqno && (known.seqno !== seqno || known.sent !== sent || known.hash !== hash)
    }
    if (!lacks(cheat, newest.own) && !lacks(honest, newest.counterparty)) return
    const receipt = await this.present('challenge', honest, newest)
    this.log.push('the honest side answers')
    assert.equal(receipt.exitCode, 0)
  }

  async dispute() {
    const { random, honest, cheat, channel } = this
    const { world, terms } = channel
    const stock = this.signed[honest]
    const anything = () => (random.chance(0.15) || stock.length === 0 ? undefined : random.pick(stock))
    let withheld = false
    if (random.chance(0.25)) {
      const newest = this.accepted[cheat]
      assert.equal((await this.present('start', honest, newest)).exitCode, 0)
      this.log.push('the honest side starts')
    } else {
      for (let tries = 0; ; tries += 1) {
        const shown = tries > 4 ? undefined : anything()
        const receipt = await this.present('start', cheat, shown)
        if (tries > 4) assert.equal(receipt.exitCode, 0)
        this.log.push(`the other side starts with ${shown ? show(shown.own) : 'nothing'}: ${receipt.exitCode}`)
        if (receipt.exitCode === 0) break
      }
      // The other side has acknowledged a newer ledger of the honest one than it shows, and the honest one can prove it.
      const acknowledged = this.accepted[cheat]?.counterparty.seqno ?? 0n
      withheld = acknowledged > this.quarantined(honest).seqno
    }
    const end = () => channel.quarantine.starts + terms.quarantine
    for (let round = 0; round < 3; round += 1) {
      // The honest side looks at the chain at least twice in a window.
      world.now = Math.min(end() - 1, world.now + random.below(terms.quarantine / 2))
      await this.answer()
      if (random.chance(0.7)) {
        world.now = random.chance(0.5) ? end() - 1 : Math.min(end() - 1, world.now + random.below(terms.quarantine / 2))
        const receipt = await this.present('challenge', cheat, anything())
        this.log.push(`the other side challenges: ${receipt.exitCode}`)
        if (receipt.exitCode === 0) await this.answer()
      }
    }
    world.now = end()
    for (const by of [honest, cheat]) await this.settle(by)
    assert.equal(this.fined(honest), false, 'the honest side was fined')
    if (withheld) assert.equal(this.fined(cheat), true, 'nothing is paid for what was held back')
    if (this.fined(cheat)) this.log.push('the other side is fined')
    world.now = end() + terms.settle
    world.inbox.clear()
    assert.equal((await channel.finish()).exitCode, 0)
  }

  /** A side settles the promises to it of which it has the resolve. */
  async settle(by) {
    const { channel, honest } = this
    const known = [...this.signed[1 - by].map(state => state.own.book), ...this.loose.map(body => body.book), []]
    const hash = this.quarantined(1 - by).hash
    const book = known.find(items => cells.rootHash(dictionaryOf(items)) === hash)
    assert.ok(book, 'nobody knows the dictionary')
    const items = book.filter(item => !item.cancelled && this.resolved(item))
    if (items.length === 0) return
    const receipt = await channel.settle({ fromA: by === 0, dict: dictionaryOf(book), resolves: resolvesOf(items) }, { value: ton('2') })
    assert.equal(receipt.exitCode, 0)
    this.log.push(`${by === honest ? 'the honest side' : 'the other side'} settles ${items.length}`)
  }

  resolved(item) {
    return POOL.indexOf(item) % 3 !== 0
  }

  /** The least that the honest side must get: what it is given for sure, less the most that it may have to give. */
  due() {
    const { agreed, honest, cheat } = this
    const worth = body => body.sent + sum(body.book.filter(item => !item.cancelled && this.resolved(item)))
    const liable = [agreed[honest], ...this.loose].map(worth).reduce(max)
    return min(max(5_000n + worth(agreed[cheat]) - liable, 0n), 10_000n)
  }
}

const copy = body => ({ ...body, book: [...body.book] })

const show = body => `${body.seqno}:${body.sent}:[${body.book.map(item => POOL.indexOf(item))}]`

test(`an honest party gets its due in ${SEQUENCES} disputes with a party that shows whatever it likes`, async () => {
  const happened = new Map()
  for (let seed = FIRST; seed < FIRST + SEQUENCES; seed += 1) {
    const story = await Story.open(seed)
    try {
      const turns = story.random.below(12)
      for (let turn = 0; turn < turns; turn += 1) {
        if (turn > 2 && story.random.chance(0.06)) await story.commit()
        else story.negotiate()
      }
      await story.dispute()
      const { channel, honest } = story
      const got = channel.world.tonReceivedBy(honest === 0 ? channel.a : channel.b)
      assert.ok(got >= story.due(), `got ${got} of ${story.due()}`)
      for (const line of new Set(story.log.map(text => text.replace(/ \d.*/, '')))) happened.set(line, (happened.get(line) ?? 0) + 1)
    } catch (error) {
      throw new Error(`seed ${seed}, honest side ${story.honest}\n${story.log.join('\n')}`, { cause: error })
    }
  }
  if (SEQUENCES < 100) return
  for (const line of ['the honest side answers', 'the honest side settles', 'the other side settles', 'the other side is fined']) {
    assert.ok(happened.get(line) > SEQUENCES / 50, `in ${happened.get(line) ?? 0} disputes ${line}`)
  }
})
