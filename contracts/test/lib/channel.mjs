// One channel between A and B in a world of its own, and a verb for everything that can be done to it.
import { readFileSync } from 'node:fs'
import core from '@ton/core'
import * as cells from './cells.mjs'
import { keyOf } from './keys.mjs'
import { World, internal, person } from './world.mjs'

export const ton = text => core.toNano(text)
/** The committed code. */
export const code = core.Cell.fromBoc(readFileSync(new URL('../../build/channel.code.boc', import.meta.url)))[0]

/** What channels run: the committed code, until the mutation script puts another one there. */
export const running = { code }

/** What a top-up in TON pays on top of the amount, at the prices of the emulator's config. */
export const TOP_UP_COST = ton('0.03')

export class Channel {
  /** Stand-ins for the contracts of a jetton, where a test needs only what they say. */
  static master = person('a jetton master')
  static wallet = person('the jetton wallet of the channel')

  keyA = keyOf('A')
  keyB = keyOf('B')
  a = person('the wallet of A')
  b = person('the wallet of B')
  stranger = person('a stranger')

  /**
   * A world with a channel that is not deployed yet.
   *
   * @param {Partial<cells.Terms> & { code?: Cell, over?: object, config?: string }} [options]
   */
  static async create({ code: ownCode, over, config, world, ...terms } = {}) {
    const channel = new Channel()
    channel.world = world ?? await World.create({ config })
    channel.terms = {
      keyA: channel.keyA.public,
      keyB: channel.keyB.public,
      id: 0x1111_1111_1111_1111_1111_1111_1111_1111n,
      quarantine: 21600,
      settle: 10800,
      fine: ton('3'),
      storageFee: ton('0.25'),
      destA: channel.a,
      destB: channel.b,
      currency: { kind: 'ton' },
      ...terms,
    }
    const { init, address } = cells.channelInit(ownCode ?? running.code, channel.terms, over)
    channel.init = init
    channel.address = address
    return channel
  }

  /** Deployed, with deposits. */
  static async opened({ depositA = ton('10'), depositB = ton('5'), ...options } = {}) {
    const channel = await Channel.create(options)
    await channel.deploy()
    if (channel.terms.currency.kind === 'jetton') await channel.learnWallet()
    if (depositA > 0n) await channel.topUp(true, depositA)
    if (depositB > 0n) await channel.topUp(false, depositB)
    return channel
  }

  get id() {
    return this.terms.id
  }

  get storage() {
    return cells.readStorage(this.world.data(this.address))
  }

  get balance() {
    return this.world.balance(this.address)
  }

  /** Sends a body from `from`; the first receipt is returned, `receipts` has them all. */
  async send(body, { value = ton('0.05'), from = this.stranger, ...options } = {}) {
    const receipts = await this.world.send(internal({ from, to: this.address, value, body, ...options }))
    const [first] = receipts
    first.receipts = receipts
    return first
  }

  deploy({ value = this.terms.storageFee + ton('0.25'), ...message } = {}, options = {}) {
    const body = cells.initMessage({ id: this.id, isA: true, key: this.keyA, ...message })
    return this.send(body, { value, from: this.a, init: this.init, bounce: false, ...options })
  }

  /** A top-up in the channel's own currency. */
  topUp(isA, amount, options = {}) {
    const from = isA ? this.a : this.b
    const { currency } = this.terms
    if (currency.kind === 'jetton') {
      return this.notify(amount, { sender: from, payload: cells.topUpMessage(isA), ...options })
    }
    if (currency.kind === 'extra') {
      return this.send(cells.topUpMessage(isA), { value: ton('0.07'), extra: { [currency.id]: amount }, from, ...options })
    }
    return this.send(cells.topUpMessage(isA), { value: amount + TOP_UP_COST, from, ...options })
  }

  /** What the master of a jetton answers. */
  learnWallet({ wallet = Channel.wallet, ...options } = {}) {
    return this.send(cells.takeWalletMessage(wallet), { value: ton('0.02'), from: Channel.master, ...options })
  }

  /** What a jetton wallet says when jettons have come. */
  notify(amount, { sender = this.stranger, payload, inline = true, ...options } = {}) {
    const body = cells.notificationMessage({ amount, sender, payload, inline })
    return this.send(body, { value: ton('0.035'), from: Channel.wallet, bounce: false, ...options })
  }

  commit(terms, options = {}) {
    const body = cells.commitMessage({
      id: this.id, keyA: this.keyA, keyB: this.keyB,
      sentA: 0n, sentB: 0n, seqnoA: 1, seqnoB: 1, withdrawA: 0n, withdrawB: 0n,
      ...terms,
    })
    return this.send(body, { value: ton('0.16'), ...options })
  }

  close(terms, options = {}) {
    const body = cells.closeMessage({
      id: this.id, keyA: this.keyA, keyB: this.keyB,
      sentA: 0n, sentB: 0n, seqnoA: 1, seqnoB: 1,
      ...terms,
    })
    return this.send(body, options)
  }

  /** The newest state of a side, as the other side holds it. */
  state(isA, { own, counterparty, key = isA ? this.keyA : this.keyB, ...over }) {
    return cells.signedState({ id: this.id, own, counterparty, key, ...over })
  }

  /** A place in a dispute message for a side that has never signed a state. */
  get noState() {
    return cells.signedState({ id: this.id, own: { seqno: 0, sent: 0n } })
  }

  /** A presenter's own half that only says from when a start is, and until when it is good; 0 for no end. */
  moment(byA, until = 0) {
    const { committedA, committedB } = this.storage
    return cells.signedState({ id: this.id, own: { seqno: byA ? committedA : committedB, sent: 0n, hash: BigInt(until) } })
  }

  #present(make, { byA, theirs, ours, own, key, ...body }, options) {
    const other = theirs ? this.state(!byA, theirs) : this.noState
    own ??= ours ? this.state(byA, ours) : this.noState
    const message = make({
      id: this.id,
      byA,
      key: key ?? (byA ? this.keyA : this.keyB),
      stateA: byA ? own : other,
      stateB: byA ? other : own,
      ...body,
    })
    return this.send(message, options)
  }

  /**
   * Opens a dispute by showing `theirs`, the newest state of the other side: { own, counterparty }. The presenter's own
   * half is `ours`, or says that the start is of now and good until a moment.
   */
  start({ until, ...body }, options) {
    const own = body.ours || !this.world.data(this.address) ? undefined : this.moment(body.byA, until)
    return this.#present(cells.startMessage, { own, ...body }, options)
  }

  challenge(body, options) {
    return this.#present(cells.challengeMessage, body, options)
  }

  settle({ fromA, dict, resolves, proof, key, ...body }, options = {}) {
    const slots = resolves.map(([slot]) => slot).filter(slot => dict.has(slot))
    const message = cells.settleMessage({
      id: this.id,
      fromA,
      key: key ?? (fromA ? this.keyA : this.keyB),
      resolves,
      proof: proof ?? dict.generateMerkleProof(slots),
      ...body,
    })
    return this.send(message, { value: ton('0.5'), ...options })
  }

  finish(options = {}) {
    return this.send(cells.finishMessage(), options)
  }

  claim(isA, options = {}) {
    return this.send(cells.claimMessage(isA), { value: ton('0.15'), ...options })
  }

  get quarantine() {
    const cell = this.storage.quarantine
    return cell && cells.readQuarantine(cell)
  }
}

/** Terms of a channel for each currency. */
export const currencies = {
  TON: { currency: { kind: 'ton' } },
  extra: { currency: { kind: 'extra', id: 100 }, storageFee: ton('0.35') },
  jetton: { currency: { kind: 'jetton', master: Channel.master }, storageFee: ton('0.35') },
}
