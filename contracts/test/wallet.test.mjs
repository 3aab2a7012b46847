// The wallet that pays for contract messages.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import core from '@ton/core'
import { keyOf } from './lib/keys.mjs'
import { NotAccepted, World, external, internal, person } from './lib/world.mjs'

const { Cell, beginCell, contractAddress, toNano } = core
const code = Cell.fromBoc(readFileSync(new URL('../build/wallet.code.boc', import.meta.url)))[0]
const key = keyOf('wallet')
const SUBWALLET = 698983191
const friend = person('a friend')

const data = beginCell().storeUint(0, 32).storeUint(SUBWALLET, 32).storeBuffer(key.public).endCell()
const init = { code, data }
const address = contractAddress(0, init)

/** A signed request; `messages` are [mode, message cell]. */
function request({ seqno, messages = [], validUntil = 1_800_000_000, subwallet = SUBWALLET, signer = key }) {
  const body = beginCell().storeUint(subwallet, 32).storeUint(validUntil, 32).storeUint(seqno, 32)
  for (const [mode, message] of messages) body.storeUint(mode, 8).storeRef(message)
  const signed = body.endCell()
  return beginCell().storeBuffer(signer.sign(signed.hash())).storeSlice(signed.beginParse()).endCell()
}

function pay(value, to = friend) {
  return beginCell().store(core.storeMessageRelaxed(core.internal({ to, value, bounce: false }))).endCell()
}

async function funded() {
  const world = await World.create()
  await world.deliver(internal({ from: friend, to: address, value: toNano('10'), bounce: false }))
  return world
}

const seqno = world => world.data(address).beginParse().loadUint(32)

async function refused(world, message) {
  const error = await world.send(message).then(() => assert.fail('accepted'), error => error)
  assert.ok(error instanceof NotAccepted, error)
  return error.exitCode
}

test('the first request deploys the wallet and sends up to four messages', async () => {
  const world = await funded()
  const messages = [1, 2, 3, 4].map(i => [3, pay(BigInt(i))])
  const [receipt] = await world.send(external({ to: address, init, body: request({ seqno: 0, messages }) }))
  assert.equal(receipt.exitCode, 0)
  assert.deepEqual(receipt.sent.map(message => message.info.value.coins), [1n, 2n, 3n, 4n])
  assert.equal(seqno(world), 1)
})

test('plain TON is accepted by a deployed wallet', async () => {
  const world = await funded()
  await world.send(external({ to: address, init, body: request({ seqno: 0 }) }))
  const before = world.balance(address)
  const [receipt] = await world.send(internal({ from: friend, to: address, value: toNano('1') }))
  assert.equal(receipt.exitCode, 0)
  assert.equal(receipt.sent.length, 0)
  assert.ok(world.balance(address) > before + toNano('0.99'))
})

test('a request is refused when it is repeated, early, for another wallet, late or signed by another key', async () => {
  const world = await funded()
  const first = external({ to: address, init, body: request({ seqno: 0 }) })
  await world.send(first)
  assert.equal(await refused(world, first), 133)
  assert.equal(await refused(world, external({ to: address, body: request({ seqno: 2 }) })), 133)
  assert.equal(await refused(world, external({ to: address, body: request({ seqno: 1, subwallet: 1 }) })), 134)
  assert.equal(await refused(world, external({ to: address, body: request({ seqno: 1, signer: keyOf('thief') }) })), 135)
  assert.equal(await refused(world, external({ to: address, body: request({ seqno: 1, validUntil: world.now }) })), 136)
})

test('a request whose messages cannot be sent still uses up its seqno, so it cannot be replayed', async () => {
  const world = await funded()
  const tooMuch = external({ to: address, init, body: request({ seqno: 0, messages: [[3, pay(toNano('1000'))]] }) })
  const [receipt] = await world.send(tooMuch)
  assert.equal(receipt.sent.length, 0)
  assert.equal(seqno(world), 1)

  const strict = external({ to: address, body: request({ seqno: 1, messages: [[1, pay(toNano('1000'))]] }) })
  const [refusedMode] = await world.send(strict)
  assert.equal(refusedMode.exitCode, 137)
  assert.equal(refusedMode.sent.length, 0)
  assert.equal(seqno(world), 2)
  assert.equal(await refused(world, strict), 133)
})
