// The standard jetton of the ecosystem (TEP-74, TEP-89), as its published package has it, and one wallet that refuses.
import { createRequire } from 'node:module'
import core from '@ton/core'
import { Channel, ton } from './channel.mjs'
import { World, internal, person } from './world.mjs'

const { Cell, beginCell, contractAddress } = core
const require = createRequire(import.meta.url)
const published = name => {
  const module = require(`@ton-community/assets-sdk/dist/jetton/contracts/build/${name}.js`)
  return Cell.fromBase64(Object.values(module)[0].codeBoc)
}

const minterCode = published('jetton-minter')
const walletCode = published('jetton-wallet')
const admin = person('the admin of a jetton')

export const OP = { mint: 21, internalTransfer: 0x178d4519, transfer: 0x0f8a7ea5, excesses: 0xd53276db }

/** A jetton in a world. */
export class Jetton {
  /** @param {World} world @param {string} name */
  constructor(world, name = 'a jetton') {
    this.world = world
    const content = beginCell().storeStringTail(name).endCell()
    this.init = {
      code: minterCode,
      data: beginCell().storeCoins(0).storeAddress(admin).storeRef(content).storeRef(walletCode).endCell(),
    }
    this.master = contractAddress(0, this.init)
  }

  walletOf(owner) {
    const data = beginCell().storeCoins(0).storeAddress(owner).storeAddress(this.master).storeRef(walletCode).endCell()
    return contractAddress(0, { code: walletCode, data })
  }

  async deploy() {
    await this.world.send(internal({ from: admin, to: this.master, value: ton('1'), init: this.init, bounce: false }))
    return this
  }

  async mint(owner, amount) {
    const transfer = beginCell()
      .storeUint(OP.internalTransfer, 32).storeUint(0, 64).storeCoins(amount)
      .storeAddress(null).storeAddress(admin).storeCoins(0).storeBit(0)
      .endCell()
    const body = beginCell().storeUint(OP.mint, 32).storeUint(0, 64).storeAddress(owner)
      .storeCoins(ton('0.5')).storeRef(transfer).endCell()
    await this.world.send(internal({ from: admin, to: this.master, value: ton('1'), body }))
  }

  /** Moves jettons of `owner`; `forward` nanoton and `payload` go along. */
  async transfer(owner, to, amount, { forward = ton('0.035'), payload, value = ton('0.1') } = {}) {
    const body = beginCell()
      .storeUint(OP.transfer, 32).storeUint(0, 64).storeCoins(amount).storeAddress(to).storeAddress(owner)
      .storeBit(0).storeCoins(forward)
    if (payload) body.storeBit(1).storeRef(payload)
    else body.storeBit(0)
    return this.world.send(internal({ from: owner, to: this.walletOf(owner), value, body: body.endCell() }))
  }

  balanceOf(owner) {
    const data = this.world.data(this.walletOf(owner))
    return data ? data.beginParse().loadCoins() : 0n
  }

  /** From now on the wallet of `owner` refuses to move anything, as a frozen one does, or moves again. */
  freeze(owner, frozen = true) {
    const code = frozen ? REFUSING : walletCode
    this.world.edit(this.walletOf(owner), account => { account.storage.state.state.code = code })
  }
}

/** Code that throws 77 at whatever comes: SETCP0, and `77 THROW`. */
const REFUSING = beginCell().storeUint(0xff00, 16).storeUint(0xf2c04d, 24).endCell()

/** A channel for the standard jetton, in which A and B own some. */
export async function jettonChannel(options = {}) {
  const world = await World.create()
  const jetton = await new Jetton(world).deploy()
  const channel = await Channel.create({
    world,
    storageFee: ton('0.35'),
    fine: 3_000n,
    ...options,
    currency: { kind: 'jetton', master: jetton.master },
  })
  channel.jetton = jetton
  channel.wallet = jetton.walletOf(channel.address)
  await jetton.mint(channel.a, 1_000_000n)
  await jetton.mint(channel.b, 1_000_000n)
  return channel
}

export async function openJettonChannel({ depositA = 10_000n, depositB = 5_000n, ...options } = {}) {
  const channel = await jettonChannel(options)
  await channel.deploy()
  if (depositA > 0n) await fund(channel, true, depositA)
  if (depositB > 0n) await fund(channel, false, depositB)
  return channel
}

/** A top-up by a transfer of real jettons. */
export function fund(channel, isA, amount, options = {}) {
  const owner = isA ? channel.a : channel.b
  const payload = beginCell().storeUint(0x593e3893, 32).storeBit(isA).endCell()
  return channel.jetton.transfer(owner, channel.address, amount, { payload, ...options })
}
