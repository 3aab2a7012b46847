// The channel as a ledger on paper: plain numbers, no cells, no signatures. It says what a message must do and which
// code refuses it; the model test drives it beside the contract.
export const max = (a, b) => (a > b ? a : b)
export const min = (a, b) => (a < b ? a : b)
const other = side => 1 - side

export const MAX_COINS = (1n << 120n) - 1n

/** Thrown inside the model for a message that is refused. */
class Refused extends Error {
  constructor(code) {
    super(`refused with ${code}`)
    this.code = code
  }
}

const unless = (condition, code) => {
  if (!condition) throw new Refused(code)
}

/**
 * A body as it is signed: `book` is the list of promises, `gone` those of them that are settled.
 *
 * @typedef {{ seqno: bigint, sent: bigint, book: object[], gone: Set<object> }} Body
 */

export class Ledger {
  inited = false
  closed = false
  deposit = [0n, 0n]
  withdrawn = [0n, 0n]
  sent = [0n, 0n]
  committed = [0n, 0n]
  claims = [0n, 0n]
  dispute = null

  constructor(terms) {
    this.terms = terms
  }

  share(side) {
    return this.deposit[side] - this.withdrawn[side] - this.sent[side] + this.sent[other(side)]
  }

  /** What the channel owes to both, which only deposits and payouts change. */
  get held() {
    return this.deposit[0] + this.deposit[1] - this.withdrawn[0] - this.withdrawn[1] + this.claims[0] + this.claims[1]
  }

  /** The same ledger, that stays as it is. */
  copy() {
    const { dispute } = this
    return Object.assign(new Ledger(this.terms), {
      inited: this.inited,
      closed: this.closed,
      deposit: [...this.deposit],
      withdrawn: [...this.withdrawn],
      sent: [...this.sent],
      committed: [...this.committed],
      claims: [...this.claims],
      dispute: dispute && {
        ...dispute,
        body: dispute.body.map(body => ({ ...body, gone: new Set(body.gone) })),
        rank: [...dispute.rank],
        fined: [...dispute.fined],
      },
    })
  }

  /**
   * @returns {{ code: number, paid: bigint[], event?: boolean }} what each side is paid
   */
  apply(message, now) {
    const before = this.copy()
    try {
      const paid = [0n, 0n]
      this[message.op](message, now, paid)
      return { code: 0, paid }
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      Object.assign(this, before)
      return { code: error.code, paid: [0n, 0n] }
    }
  }

  #signed(message) {
    unless(!message.badSignature, 101)
    unless(!message.badTag, 104)
    unless(!message.badId, 114)
  }

  init(message) {
    unless(!this.inited && !this.closed, 100)
    this.#signed(message)
    this.inited = true
  }

  topUp({ side, amount }) {
    unless(this.inited, 117)
    unless(!this.dispute, 106)
    this.deposit[side] += amount
  }

  /** Jettons that have come to the channel's wallet: a deposit, or a claim of the side. */
  notification({ side, amount }) {
    if (this.inited && !this.dispute) this.deposit[side] += amount
    else this.claims[side] += amount
  }

  /** A payout that the jetton wallet has refused. */
  refusal({ side, amount }) {
    this.claims[side] += amount
  }

  claim({ side }, now, paid) {
    unless(this.claims[side] > 0n, 128)
    paid[side] = this.claims[side]
    this.claims[side] = 0n
  }

  #agree({ sent, seqno }) {
    unless(seqno.every((value, side) => value > this.committed[side]), 108)
    if (this.dispute) unless(seqno.every((value, side) => value > this.dispute.body[side].seqno), 106)
    this.sent = [...sent]
  }

  commit(message, now, paid) {
    unless(this.inited, 117)
    this.#signed(message)
    const { withdraw, seqno } = message
    this.#agree(message)
    unless(withdraw.every((total, side) => total >= this.withdrawn[side]), 127)
    withdraw.forEach((total, side) => { paid[side] = total - this.withdrawn[side] })
    this.withdrawn = [...withdraw]
    unless(this.share(0) >= 0n && this.share(1) >= 0n, 118)
    unless(!message.poor, 119)
    this.committed = [...seqno]
    this.dispute = null
  }

  close(message, now, paid) {
    unless(this.inited, 117)
    this.#signed(message)
    this.#agree(message)
    unless(this.share(0) >= 0n && this.share(1) >= 0n, 118)
    this.#end([this.share(0), this.share(1)], message.seqno, paid)
  }

  #end(shares, committed, paid) {
    shares.forEach((share, side) => { paid[side] = share + this.claims[side] })
    this.inited = false
    this.closed = true
    this.dispute = null
    this.committed = [...committed]
    for (const field of ['deposit', 'withdrawn', 'sent', 'claims']) this[field] = [0n, 0n]
  }

  start(message, now) {
    unless(this.inited, 117)
    this.#signed(message)
    unless(!this.dispute, 106)
    this.dispute = {
      body: [0, 1].map(side => ({ seqno: this.committed[side], sent: this.sent[side], book: [], gone: new Set() })),
      rank: [0, 0],
      fined: [false, false],
      starts: now,
      first: now,
      by: message.by,
      starter: message.by,
    }
    this.#show(message, true)
  }

  challenge(message, now) {
    unless(this.inited, 117)
    this.#signed(message)
    const { dispute, terms } = this
    unless(dispute, 107)
    unless(now < dispute.starts + terms.quarantine, 111)
    this.#show(message, false)
    const half = Math.floor(terms.quarantine / 2)
    dispute.starts = Math.max(dispute.starts, Math.min(now - half, dispute.first + half))
  }

  #show({ by, evidence }, mayShowNothing) {
    const { dispute } = this
    const them = other(by)
    if (!evidence) {
      unless(mayShowNothing, 105)
      dispute.by = by
      return
    }
    this.#signed(evidence)
    let newer = false
    const take = (side, found, rank) => {
      const known = dispute.body[side]
      const differs = found.sent !== known.sent || found.book.length !== known.book.length || found.book.some((item, index) => item !== known.book[index])
      const isNewer = found.seqno > known.seqno || (found.seqno === known.seqno && rank > dispute.rank[side] && differs)
      if (!isNewer) return false
      newer = true
      // What the other side is a step behind, or had only signed, and was another one.
      const overtaken = found.seqno > known.seqno || dispute.rank[side] > 0
      dispute.body[side] = { ...found, gone: new Set(found.gone) }
      dispute.rank[side] = rank
      return overtaken
    }
    take(them, evidence.theirs, 1)
    // They have acknowledged this, and began with less.
    if (evidence.ours && take(by, evidence.ours, 2) && dispute.starter === them) dispute.fined[them] = true
    unless(newer, 105)
    dispute.by = by
  }

  settle(message, now) {
    unless(this.inited, 117)
    this.#signed(message)
    const { dispute, terms } = this
    unless(dispute, 107)
    const begins = dispute.starts + terms.quarantine
    unless(now >= begins, 110)
    unless(now < begins + terms.settle, 112)
    const body = dispute.body[other(message.by)]
    const sameBook = message.book.length === body.book.length && message.book.every((item, index) => item === body.book[index])
    const sameGone = message.gone.size === body.gone.size && [...message.gone].every(item => body.gone.has(item))
    unless(sameBook && sameGone && body.book.length > 0, 115)
    const good = message.items.filter(item => !body.gone.has(item) && item.deadline >= now && item.honest)
    unless(good.length > 0, 116)
    for (const item of good) {
      body.gone.add(item)
      body.sent = min(body.sent + item.worth, MAX_COINS)
    }
  }

  finish(message, now, paid) {
    unless(this.inited, 117)
    const { dispute, terms } = this
    unless(dispute, 107)
    unless(now >= dispute.starts + terms.quarantine + terms.settle, 113)
    const gives = [0, 1].map(side => dispute.body[side].sent + (dispute.fined[side] ? terms.fine : 0n))
    const total = this.deposit[0] + this.deposit[1] - this.withdrawn[0] - this.withdrawn[1]
    const a = min(max(this.deposit[0] - this.withdrawn[0] + gives[1] - gives[0], 0n), total)
    this.#end([a, total - a], dispute.body.map(body => body.seqno + 1n), paid)
  }
}
