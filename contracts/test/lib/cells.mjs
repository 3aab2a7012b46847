// Every layout that the channel reads or writes, written once more and independently of the contract.
import core from '@ton/core'

const { Cell, beginCell, contractAddress } = core

export const OP = {
  init: 0x79ae99b5,
  topUp: 0x593e3893,
  commit: 0x076bfdf1,
  close: 0xd2b1eeeb,
  start: 0x8175e15d,
  challenge: 0x9a77c0db,
  settle: 0x56c39b4c,
  finish: 0x25432a91,
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

export { Cell }
