// Lets npm's ton-lite-client and @ton/ton's wallet talk to a running devnet: sends a transfer, too.
//
//   npm install --no-save ton-lite-client@3.1.1 @ton/core@0.63.1 @ton/crypto@3.3.0 @ton/ton@16.3.0   (anywhere above)
//   cargo run -p devnet &
//   node crates/devnet/clients/lite_client_check.mjs http://127.0.0.1:4480
import { Address, Cell, beginCell, external, internal, parseTuple, storeMessage, toNano } from '@ton/core'
import { keyPairFromSeed } from '@ton/crypto'
import { WalletContractV3R2 } from '@ton/ton'
import { LiteClient, LiteSingleEngine } from 'ton-lite-client'

const control = process.argv[2] ?? 'http://127.0.0.1:4480'
const { liteserver, wallets, now } = await (await fetch(`${control}/info`)).json()
const publicKey = Buffer.from(liteserver.key, 'hex')
const engine = new LiteSingleEngine({ host: `tcp://${liteserver.address}`, publicKey })
const client = new LiteClient({ engine })

let failed = 0
const step = async (name, call) => {
  try {
    console.log('ok  ', name, (await call()) ?? '')
  } catch (error) {
    failed += 1
    console.log('FAIL', name, error)
  }
}
const pause = () => new Promise(done => setTimeout(done, 1500))
const [{ address, seed }] = wallets
const wallet = Address.parse(`0:${address}`)
const last = async () => (await client.getMasterchainInfo()).last
const seqno = async () => {
  const { result } = await client.runMethod(wallet, 'seqno', Buffer.alloc(0), await last())
  return Number(parseTuple(Cell.fromBase64(result))[0].value)
}
const send = body => {
  const message = storeMessage(external({ to: wallet, body }))
  return client.sendMessage(beginCell().store(message).endCell().toBoc())
}

await pause()
await step('masterchain info', async () => (await last()).seqno)
await step('masterchain info, extended', async () => (await client.getMasterchainInfoExt()).now)
await step('time', () => client.getCurrentTime())
await step('version', async () => (await client.getVersion()).version)
await step('configuration', async () => Object.keys(await client.getConfig(await last())).length)
await step('account', async () => (await client.getAccountState(wallet, await last())).balance.coins)
await step('shards', async () => Object.keys((await client.getAllShardsInfo(await last())).shards))
await step('block', async () => (await client.getFullBlock((await last()).seqno)).shards.length)
await step('a wallet pays', async () => {
  const { secretKey, publicKey } = keyPairFromSeed(Buffer.from(seed, 'hex'))
  const before = await seqno()
  const to = Address.parse(`0:${'22'.repeat(32)}`)
  const messages = [internal({ to, value: toNano('1.5'), bounce: false })]
  const order = { seqno: before, secretKey, timeout: now + 1000, sendMode: 3, messages }
  await send(WalletContractV3R2.create({ workchain: 0, publicKey }).createTransfer(order))
  await pause()
  if ((await seqno()) !== before + 1) throw new Error('the seqno has not moved')
})
await step('its history', async () => {
  const { lastTx } = await client.getAccountState(wallet, await last())
  const hash = Buffer.from(lastTx.hash.toString(16).padStart(64, '0'), 'hex')
  const { transactions } = await client.getAccountTransactions(wallet, lastTx.lt.toString(), hash, 5)
  return Cell.fromBoc(transactions).length
})
await step('a message nobody accepts is refused', async () => {
  const refusal = await send(beginCell().storeUint(0, 608).endCell()).then(() => null, error => error)
  if (!refusal) throw new Error('it was taken')
  return refusal.message
})
process.exit(failed ? 1 : 0)
