// A chain small enough to read: accounts with code run in the official emulator, everybody else only receives.
// It gives each test exact control over balances, time and prices, and can record every transaction.
import sandbox from '@ton/sandbox'
import core from '@ton/core'
import { readBoc } from './boc.mjs'

const { Executor, defaultConfig } = sandbox
const { Address, Cell, Dictionary, beginCell, loadShardAccount, loadTransaction } = core

const LT_STEP = 1_000_000n
const EMPTY_ACCOUNT = beginCell()
  .storeRef(beginCell().storeBit(0).endCell())
  .storeUint(0, 256)
  .storeUint(0, 64)
  .endCell()
  .toBoc()
  .toString('base64')

/** An address that belongs to nobody's code. */
export function person(name) {
  return new Address(0, Buffer.from(name.padEnd(32, '.').slice(0, 32)))
}

/** What one transaction did. */
export class Receipt {
  constructor(transaction, account, received) {
    this.transaction = transaction
    this.account = account
    /** Value of the incoming message. */
    this.received = received
    const { description } = transaction
    const compute = description.computePhase
    this.ran = compute?.type === 'vm'
    this.exitCode = this.ran ? compute.exitCode : undefined
    this.gas = this.ran ? Number(compute.gasUsed) : 0
    this.actionCode = description.actionPhase?.resultCode
    this.ok = !description.aborted
    this.outs = transaction.outMessages.values()
    this.sent = this.outs.filter(message => message.info.type === 'internal')
    this.events = this.outs.filter(message => message.info.type === 'external-out')
    this.fees = transaction.totalFees.coins
  }
}

export class World {
  #executor
  #accounts = new Map()
  #parsed = new Map()
  #config
  #lt = LT_STEP
  /** Messages that reached an address without code, in order. */
  inbox = new Map()
  /** Set to an array to keep every transaction for a replay. */
  record = undefined
  now = 1_700_000_000

  /** @param {{ config?: string }} [options] config: base64 of the chain's config, the emulator's mainnet snapshot by default */
  static async create(options = {}) {
    const world = new World()
    world.#executor = await sharedExecutor()
    world.#config = options.config ?? defaultConfig
    return world
  }

  get config() {
    return this.#config
  }

  /** State to come back to. */
  snapshot() {
    return { accounts: new Map(this.#accounts), now: this.now, lt: this.#lt, inbox: new Map([...this.inbox].map(([k, v]) => [k, [...v]])) }
  }

  restore(snapshot) {
    this.#accounts = new Map(snapshot.accounts)
    this.inbox = new Map([...snapshot.inbox].map(([k, v]) => [k, [...v]]))
    this.now = snapshot.now
    this.#lt = snapshot.lt
  }

  account(address) {
    const key = address.toRawString()
    const boc = this.#accounts.get(key)
    if (!boc) return undefined
    const known = this.#parsed.get(key)
    if (known?.boc === boc) return known.account
    const { account } = loadShardAccount(readBoc(boc).beginParse())
    this.#parsed.set(key, { boc, account })
    return account
  }

  balance(address) {
    return this.account(address)?.storage.balance.coins ?? 0n
  }

  /** Extra currency on an account. */
  extra(address, id) {
    const other = this.account(address)?.storage.balance.other
    return other?.get(id) ?? 0n
  }

  data(address) {
    return this.account(address)?.storage.state.state?.data
  }

  /** Puts a contract into the world with a balance, as if it had been there for long. */
  place(address, { code, data }, balance) {
    const account = sandbox.createShardAccount({ address, code, data, balance })
    this.#accounts.set(address.toRawString(), beginCell().store(core.storeShardAccount(account)).endCell().toBoc().toString('base64'))
  }

  /** Runs a get method; returns its stack. */
  async get(address, method, stack = []) {
    const account = this.account(address)
    const { code, data } = account.storage.state.state
    const id = (crc16(method) & 0xffff) | 0x10000
    const { output } = await this.#executor.runGetMethod({
      code, data, methodId: id, stack, config: this.#config, verbosity: 'short', address, unixTime: this.now,
      balance: account.storage.balance.coins, randomSeed: Buffer.alloc(32), gasLimit: 1_000_000n, debugEnabled: false,
    })
    if (!output.success || output.vm_exit_code !== 0) throw new Error(`${method} failed: ${JSON.stringify(output)}`)
    return new core.TupleReader(core.parseTuple(Cell.fromBase64(output.stack)))
  }

  /** Changes what an account owns or holds, as no message could: rent of many years, or a past that a test needs. */
  edit(address, change) {
    const key = address.toRawString()
    const shard = loadShardAccount(Cell.fromBase64(this.#accounts.get(key)).beginParse())
    change(shard.account)
    this.#accounts.set(key, beginCell().store(core.storeShardAccount(shard)).endCell().toBoc().toString('base64'))
  }

  /** Everything an address without code has received. */
  receivedBy(address) {
    return this.inbox.get(address.toRawString()) ?? []
  }

  tonReceivedBy(address) {
    return this.receivedBy(address).reduce((sum, message) => sum + message.info.value.coins, 0n)
  }

  extraReceivedBy(address, id) {
    return this.receivedBy(address).reduce((sum, message) => sum + (message.info.value.other?.get(id) ?? 0n), 0n)
  }

  /** Runs one message on its destination and queues nothing. */
  async deliver(message) {
    const to = message.info.dest
    const key = to.toRawString()
    const lt = this.#lt
    this.#lt += LT_STEP
    const before = this.#accounts.get(key) ?? EMPTY_ACCOUNT
    const cell = beginCell().store(core.storeMessage(message)).endCell()
    const { result, logs } = await this.#executor.runTransaction({
      config: this.#config,
      libs: null,
      verbosity: this.verbosity ?? 'short',
      shardAccount: before,
      message: cell,
      now: this.now,
      lt,
      randomSeed: Buffer.alloc(32, 7),
      ignoreChksig: false,
      debugEnabled: false,
    })
    if (!result.success) {
      if (result.vmResults) throw new NotAccepted(result.vmResults.vmExitCode)
      if (result.error.includes('-701 : ')) throw new NotAccepted(-701)
      throw new Error(`the emulator refused: ${result.error} ${logs}`)
    }
    this.lastLog = result.vmLog
    this.#accounts.set(key, result.shardAccount)
    const transaction = loadTransaction(Cell.fromBase64(result.transaction).beginParse())
    const receipt = new Receipt(transaction, to, message.info.type === 'internal' ? message.info.value : undefined)
    this.record?.push({ before, message: cell, now: this.now, lt, after: result.shardAccount, transaction: result.transaction, receipt })
    return receipt
  }

  /** Delivers a message and everything that it causes; the first receipt is the message's own. */
  async send(message) {
    const receipts = []
    const queue = [message]
    while (queue.length > 0) {
      const next = queue.shift()
      const to = next.info.dest
      if (!this.#accounts.has(to.toRawString()) && !next.init) {
        const inbox = this.inbox.get(to.toRawString()) ?? []
        inbox.push(next)
        this.inbox.set(to.toRawString(), inbox)
        continue
      }
      const receipt = await this.deliver(next)
      receipts.push(receipt)
      queue.push(...receipt.sent)
    }
    return receipts
  }
}

/** Parameters of a chain's config, by number. */
export const paramsOf = config => Dictionary.loadDirect(Dictionary.Keys.Int(32), Dictionary.Values.Cell(), config)

/**
 * The emulator's config with its prices multiplied: those of gas, and with `forward` those of messages.
 *
 * @param {[bigint, bigint]} factor numerator and denominator
 */
export function repricedConfig([times, by], { forward = false } = {}) {
  const config = paramsOf(Cell.fromBase64(defaultConfig))
  const scaled = (old, bits) => (old.loadUintBig(bits) * times) / by
  const gasOf = old => beginCell()
    // gas_flat_pfx#d1 flat_gas_limit:uint64 flat_gas_price:uint64 gas_prices_ext#de gas_price:uint64 and limits
    .storeUint(old.loadUint(8), 8).storeUint(old.loadUintBig(64), 64).storeUint(scaled(old, 64), 64)
    .storeUint(old.loadUint(8), 8).storeUint(scaled(old, 64), 64).storeSlice(old).endCell()
  // msg_forward_prices#ea lump_price:uint64 bit_price:uint64 cell_price:uint64 and shares
  const forwardOf = old => beginCell()
    .storeUint(old.loadUint(8), 8).storeUint(scaled(old, 64), 64).storeUint(scaled(old, 64), 64).storeUint(scaled(old, 64), 64)
    .storeSlice(old).endCell()
  for (const number of [20, 21]) config.set(number, gasOf(config.get(number).beginParse()))
  if (forward) for (const number of [24, 25]) config.set(number, forwardOf(config.get(number).beginParse()))
  return beginCell().storeDictDirect(config).endCell().toBoc().toString('base64')
}

/** An external message that the contract did not accept; with code -701 the chain did not even ask it. */
export class NotAccepted extends Error {
  constructor(exitCode) {
    super(`not accepted, exit code ${exitCode}`)
    this.exitCode = exitCode
  }
}

/** CRC-16/XMODEM, of which get methods take their ids. */
function crc16(text) {
  let crc = 0
  for (const byte of Buffer.from(text)) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff
  }
  return crc
}

let executor
function sharedExecutor() {
  executor ??= Executor.create()
  return executor
}

/**
 * An internal message.
 *
 * @param {{ from: Address, to: Address, value: bigint, body?: Cell, init?: { code: Cell, data: Cell }, bounce?: boolean, extra?: Record<number, bigint> }} options
 */
export function internal({ from, to, value, body, init, bounce = true, extra }) {
  let other
  if (extra) {
    other = Dictionary.empty(Dictionary.Keys.Uint(32), Dictionary.Values.BigVarUint(5))
    for (const [id, amount] of Object.entries(extra)) other.set(Number(id), amount)
  }
  return {
    info: {
      type: 'internal',
      ihrDisabled: true,
      bounce,
      bounced: false,
      src: from,
      dest: to,
      value: { coins: value, other },
      ihrFee: 0n,
      forwardFee: 0n,
      createdLt: 0n,
      createdAt: 0,
    },
    init,
    body: body ?? Cell.EMPTY,
  }
}

export function external({ to, body, init }) {
  return { info: { type: 'external-in', dest: to, importFee: 0n }, init, body }
}

