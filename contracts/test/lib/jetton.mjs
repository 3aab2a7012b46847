// Jettons (TEP-74, TEP-89): the standard one, as its published package has it, one that its issuer governs, and wallets
// that refuse.
import { createRequire } from 'node:module'
import core from '@ton/core'
import { compile } from '../../scripts/compile.mjs'
import { Channel, ton } from './channel.mjs'
import { World, internal, person } from './world.mjs'

const { Cell, beginCell, contractAddress } = core
const require = createRequire(import.meta.url)
const published = name => {
  const module = require(`@ton-community/assets-sdk/dist/jetton/contracts/build/${name}.js`)
  return Cell.fromBase64(Object.values(module)[0].codeBoc)
}

const admin = person('the admin of a jetton')

export const OP = { mint: 21, internalTransfer: 0x178d4519, transfer: 0x0f8a7ea5, excesses: 0xd53276db, setStatus: 0xeed236d3 }

/** The jetton that most tokens are: its contracts ask for amounts of TON that stand in their code. */
export const STANDARD = {
  walletCode: published('jetton-wallet'),
  minter: async (walletCode, name) => ({
    code: published('jetton-minter'),
    data: beginCell().storeCoins(0).storeAddress(admin).storeRef(beginCell().storeStringTail(name).endCell()).storeRef(walletCode).endCell(),
  }),
  walletData: (owner, master, walletCode) =>
    beginCell().storeCoins(0).storeAddress(owner).storeAddress(master).storeRef(walletCode).endCell(),
  statusBits: 0,
}

/** One whose issuer may freeze wallets, and which asks for TON by the prices in the chain's config. */
export const GOVERNED = {
  walletCode: (await compile('test/governed/wallet.tolk')).code,
  minter: async walletCode => ({ code: (await compile('test/governed/master.tolk')).code, data: beginCell().storeRef(walletCode).endCell() }),
  walletData: (owner, master) =>
    beginCell().storeUint(0, 4).storeCoins(0).storeAddress(owner).storeAddress(master).endCell(),
  statusBits: 4,
}

/** A jetton in a world. */
export class Jetton {
  /** @param {World} world */
  static async deployed(world, kind = STANDARD, name = 'a jetton') {
    const jetton = new Jetton()
    const init = await kind.minter(kind.walletCode, name)
    Object.assign(jetton, { world, kind, init, master: contractAddress(0, init) })
    return jetton.deploy()
  }

  walletOf(owner) {
    const { walletCode: code, walletData } = this.kind
    return contractAddress(0, { code, data: walletData(owner, this.master, code) })
  }

  /** The issuer of a governed jetton freezes the wallet of `owner`: bit 0 for what leaves it, bit 1 for what comes. */
  async setStatus(owner, status) {
    const order = beginCell().storeUint(OP.setStatus, 32).storeUint(0, 64).storeUint(status, 4).endCell()
    const body = beginCell().storeUint(OP.setStatus, 32).storeUint(0, 64).storeAddress(owner).storeCoins(ton('0.1')).storeRef(order).endCell()
    return this.world.send(internal({ from: admin, to: this.master, value: ton('0.5'), body }))
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
    return data ? data.beginParse().skip(this.kind.statusBits).loadCoins() : 0n
  }

  /** From now on the wallet of `owner` refuses to move anything, as a frozen one does, or moves again. */
  freeze(owner, frozen = true) {
    const code = frozen ? REFUSING : this.kind.walletCode
    this.world.edit(this.walletOf(owner), account => { account.storage.state.state.code = code })
  }
}

/** Code that throws 77 at whatever comes: SETCP0, and `77 THROW`. */
const REFUSING = beginCell().storeUint(0xff00, 16).storeUint(0xf2c04d, 24).endCell()

/** A channel for the standard jetton, in which A and B own some. */
export async function jettonChannel({ kind, config, ...options } = {}) {
  const world = await World.create({ config })
  const jetton = await Jetton.deployed(world, kind)
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
