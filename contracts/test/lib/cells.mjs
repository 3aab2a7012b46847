// Every layout that the channel reads or writes, written once more and independently of the contract.
import core from '@ton/core'

const { Cell, Dictionary, beginCell, contractAddress } = core

export const OP = {
  init: 0x79ae99b5,
  topUp: 0x593e3893,
  commit: 0x076bfdf1,
  close: 0xd2b1eeeb,
  start: 0x8175e15d,
  challenge: 0x9a77c0db,
  settle: 0x56c39b4c,
  finish: 0x25432a91,
  claim: 0xdab44a08,
  dispute: 0x17cf7d41,
  notification: 0x7362d09c,
  takeWallet: 0xd1735400,
  closed: 0xdddc88ba,
  withdrawn: 0xa32f0b3c,
  excess: 0xd53276db,
}

export const TAG = {
  state: 0x43685374,
  init: 0x481ebc44,
  close: 0x8243e9a3,
  commit: 0x4a390cac,
  start: 0x8c623692,
  challenge: 0xb8a21379,
  settle: 0x14588aab,
}

export const NO_SIGNATURE = Buffer.alloc(64)

/**
 * @typedef {{ seqno: bigint | number, sent: bigint, hash?: bigint }} Body one side's ledger
 *
 * @typedef {{ kind: 'ton' } | { kind: 'extra', id: number } | { kind: 'jetton', master: Address, wallet?: Address }} Currency
 *
 * @typedef {object} Terms what the address of a channel is made of
 * @property {Buffer} keyA
 * @property {Buffer} keyB
 * @property {bigint} id
 * @property {number} quarantine seconds
 * @property {number} settle seconds
 * @property {bigint} fine
 * @property {bigint} storageFee
 * @property {Address} destA
 * @property {Address} destB
 * @property {Currency} currency
 */

export function storeBody({ seqno, sent, hash = 0n }) {
  return builder => {
    builder.storeUint(seqno, 64).storeCoins(sent).storeUint(hash, 256)
  }
}

export function closingCell(terms) {
  return beginCell().storeUint(terms.quarantine, 32).storeCoins(terms.fine).storeUint(terms.settle, 32).endCell()
}

export function storeCurrency(currency) {
  return builder => {
    if (currency.kind === 'ton') builder.storeBit(0)
    else if (currency.kind === 'extra') builder.storeUint(0b10, 2).storeUint(currency.id, 32)
    else {
      const info = beginCell().storeAddress(currency.master).storeAddress(currency.wallet ?? null).endCell()
      builder.storeUint(0b11, 2).storeRef(info)
    }
    currency.behind?.(builder)
  }
}

export function paymentCell(terms) {
  return beginCell()
    .storeCoins(terms.storageFee)
    .storeAddress(terms.destA)
    .storeAddress(terms.destB)
    .store(storeCurrency(terms.currency))
    .endCell()
}

export function emptyBalance() {
  return beginCell().storeUint(0, 24).endCell()
}

/** What a channel is deployed with. `over` replaces fields, for channels that nobody should accept. */
export function initialData(terms, over = {}) {
  return beginCell()
    .storeBit(over.inited ?? false)
    .storeRef(over.balance ?? emptyBalance())
    .storeBuffer(terms.keyA)
    .storeBuffer(terms.keyB)
    .storeUint(terms.id, 128)
    .storeRef(closingCell(terms))
    .storeUint(over.committedA ?? 0, 64)
    .storeUint(over.committedB ?? 0, 64)
    .storeMaybeRef(over.quarantine ?? null)
    .storeRef(paymentCell(terms))
    .endCell()
}

export function channelInit(code, terms, over) {
  const init = { code, data: initialData(terms, over) }
  return { init, address: contractAddress(0, init) }
}

/** Reads the account data of a channel. */
export function readStorage(data) {
  const s = data.beginParse()
  const inited = s.loadBit()
  const b = s.loadRef().beginParse()
  const balance = {
    depositA: b.loadCoins(),
    depositB: b.loadCoins(),
    withdrawA: b.loadCoins(),
    withdrawB: b.loadCoins(),
    sentA: b.loadCoins(),
    sentB: b.loadCoins(),
  }
  const claims = b.remainingBits === 0 ? [0n, 0n] : [b.loadCoins(), b.loadCoins()]
  const keyA = s.loadBuffer(32)
  const keyB = s.loadBuffer(32)
  const id = s.loadUintBig(128)
  s.loadRef()
  const committedA = s.loadUintBig(64)
  const committedB = s.loadUintBig(64)
  const quarantine = s.loadMaybeRef()
  const payment = s.loadRef()
  return {
    inited,
    balance,
    claims,
    shareA: balance.depositA + balance.sentB - balance.sentA - balance.withdrawA,
    shareB: balance.depositB + balance.sentA - balance.sentB - balance.withdrawB,
    keyA,
    keyB,
    id,
    committedA,
    committedB,
    quarantine,
    payment,
  }
}

/** A cell with the signature in front of the signed body: `op flag:Bool signature body`. */
function signedByOne(op, isA, key, body) {
  return beginCell()
    .storeUint(op, 32)
    .storeBit(isA)
    .storeBuffer(key.sign(body.hash()))
    .storeSlice(body.beginParse())
    .endCell()
}

function signedByBoth(op, keyA, keyB, body) {
  const signature = key => beginCell().storeBuffer(key ? key.sign(body.hash()) : NO_SIGNATURE).endCell()
  return beginCell()
    .storeUint(op, 32)
    .storeRef(signature(keyA))
    .storeRef(signature(keyB))
    .storeSlice(body.beginParse())
    .endCell()
}

export function initBody(id, tag = TAG.init) {
  return beginCell().storeUint(tag, 32).storeUint(id, 128).endCell()
}

export function initMessage({ id, isA = true, key, tag }) {
  return signedByOne(OP.init, isA, key, initBody(id, tag))
}

export function topUpMessage(isA) {
  return beginCell().storeUint(OP.topUp, 32).storeBit(isA).endCell()
}

export function closeBody({ id, sentA, sentB, seqnoA, seqnoB, tag = TAG.close }) {
  return beginCell()
    .storeUint(tag, 32)
    .storeUint(id, 128)
    .storeCoins(sentA)
    .storeCoins(sentB)
    .storeUint(seqnoA, 64)
    .storeUint(seqnoB, 64)
    .endCell()
}

export function closeMessage({ keyA, keyB, ...terms }) {
  return signedByBoth(OP.close, keyA, keyB, closeBody(terms))
}

export function commitBody({ withdrawA, withdrawB, tag = TAG.commit, ...terms }) {
  return beginCell()
    .storeSlice(closeBody({ ...terms, tag }).beginParse())
    .storeCoins(withdrawA)
    .storeCoins(withdrawB)
    .endCell()
}

export function commitMessage({ keyA, keyB, ...terms }) {
  return signedByBoth(OP.commit, keyA, keyB, commitBody(terms))
}

/** The cell that a side signs: its own ledger and what it knows of the other side's. */
export function stateCell({ id, own, counterparty, tag = TAG.state }) {
  return beginCell()
    .storeUint(tag, 32)
    .storeUint(id, 128)
    .store(storeBody(own))
    .storeMaybeRef(counterparty ? beginCell().store(storeBody(counterparty)).endCell() : null)
    .endCell()
}

/** `key` absent: a state that was never signed. */
export function signedState({ key, ...state }) {
  const cell = stateCell(state)
  return beginCell().storeBuffer(key ? key.sign(cell.hash()) : NO_SIGNATURE).storeRef(cell).endCell()
}

function disputeBody({ id, stateA, stateB, tag }) {
  return beginCell().storeUint(tag, 32).storeUint(id, 128).storeRef(stateA).storeRef(stateB).endCell()
}

export function startMessage({ byA, key, tag = TAG.start, ...body }) {
  return signedByOne(OP.start, byA, key, disputeBody({ ...body, tag }))
}

export function challengeMessage({ byA, key, tag = TAG.challenge, ...body }) {
  return signedByOne(OP.challenge, byA, key, disputeBody({ ...body, tag }))
}

export function finishMessage() {
  return beginCell().storeUint(OP.finish, 32).endCell()
}

export function claimMessage(isA) {
  return beginCell().storeUint(OP.claim, 32).storeBit(isA).endCell()
}

/** The code that every conditional ends in. */
export const CONDITION_CODE = Cell.fromHex(
  'b5ee9c72010101010023000042058308d7186607f91101f823beb0f29803fa00305202bb5331bbb0f29a58a101a0',
)

/** One PUSHINT instruction in its shortest form, as the network encodes conditionals. */
export function storePushInt(value) {
  const bits = value === 0n ? 1 : value.toString(2).length + 1
  return builder => {
    if (bits <= 8) builder.storeUint(0x80, 8).storeInt(value, 8)
    else if (bits <= 16) builder.storeUint(0x81, 8).storeInt(value, 16)
    else {
      const bytes = Math.ceil((Math.max(bits, 19) - 19) / 8)
      const width = 19 + 8 * bytes
      builder.storeUint(0x82, 8).storeUint(bytes, 5)
      if (width > 256) builder.storeUint(0, width - 256).storeUint(value, 256)
      else builder.storeUint(value, width)
    }
  }
}

/**
 * A promise of up to `capacity` plus `fee` until `deadline`.
 *
 * @param {{ fee?: bigint, capacity: bigint, prepay?: bigint, deadline: number, key: Buffer, code?: Cell }} conditional
 */
export function conditionalCell({ fee = 0n, capacity, prepay = 0n, deadline, key, code = CONDITION_CODE }) {
  return beginCell()
    .store(storePushInt(fee))
    .store(storePushInt(capacity))
    .store(storePushInt(prepay))
    .store(storePushInt(BigInt(deadline)))
    .store(storePushInt(BigInt(`0x${key.toString('hex')}`)))
    .storeRef(code)
    .endCell()
}

/** The slot of a conditional: the first four bytes of its key, little endian. */
export const slotOf = key => key.readUInt32LE(0)

/** A resolve: `amount` signed by the virtual key. */
export function resolveCell(virtualKey, amount) {
  const payload = beginCell().storeCoins(amount)
  payload.storeUint(0, (8 - (payload.bits % 8)) % 8)
  const bytes = payload.endCell().beginParse().loadBuffer(payload.bits / 8)
  return beginCell().storeBuffer(virtualKey.sign(bytes)).storeBuffer(bytes).endCell()
}

const INLINE = {
  serialize: (cell, builder) => builder.storeSlice(cell.beginParse()),
  parse: slice => {
    const cell = slice.asCell()
    slice.skip(slice.remainingBits)
    while (slice.remainingRefs > 0) slice.loadRef()
    return cell
  },
}

/** A dictionary with 32-bit keys whose values are the bits and refs of cells, inline. */
export function dictionary(entries = []) {
  const dict = Dictionary.empty(Dictionary.Keys.Uint(32), INLINE)
  for (const [slot, cell] of entries) dict.set(slot, cell)
  return dict
}

/** The root hash that a side signs, 0 for no entries. */
export function rootHash(dict) {
  if (dict.size === 0) return 0n
  return BigInt(`0x${beginCell().storeDictDirect(dict).endCell().hash().toString('hex')}`)
}

/** `resolves`: [slot, resolve cell]; `proof`: a Merkle proof cell of the other side's dictionary. */
export function settleMessage({ fromA, key, id, resolves, proof, tag = TAG.settle }) {
  const body = beginCell()
    .storeUint(tag, 32)
    .storeUint(id, 128)
    .storeDict(dictionary(resolves))
    .storeRef(proof)
    .endCell()
  return signedByOne(OP.settle, fromA, key, body)
}

export function takeWalletMessage(wallet) {
  return beginCell().storeUint(OP.takeWallet, 32).storeUint(0, 64).storeAddress(wallet).storeBit(0).endCell()
}

/** A jetton wallet's word that jettons have come; `payload` inline or in a ref. */
export function notificationMessage({ amount, sender, payload, inline = true }) {
  const message = beginCell().storeUint(OP.notification, 32).storeUint(0, 64).storeCoins(amount).storeAddress(sender)
  if (!payload) return message.storeBit(0).endCell()
  return (inline ? message.storeBit(0).storeSlice(payload.beginParse()) : message.storeBit(1).storeRef(payload)).endCell()
}

/** Reads the quarantine cell of a channel. */
export function readQuarantine(cell) {
  const s = cell.beginParse()
  const body = () => ({ seqno: s.loadUintBig(64), sent: s.loadCoins(), hash: s.loadUintBig(256) })
  return {
    a: body(),
    b: body(),
    starts: s.loadUint(32),
    byA: s.loadBit(),
    challenged: s.loadBit(),
    firstStart: s.loadUint(32),
    finedA: s.loadBit(),
    rankA: s.loadUint(2),
    finedB: s.loadBit(),
    rankB: s.loadUint(2),
  }
}

export { Cell }
