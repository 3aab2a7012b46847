// The sheet with the address: to be copied, or scanned.

import { RillError, formatTon, friendlyAddress } from 'rill-ton'
import encodeQR from 'qr'

import { busy } from './act.js'
import { byId, copy, openSheet, say } from './dom.js'
import { network, ourChannel, page, theNode } from './page.js'

const COINS = 15_000_000_000n

export function wireReceive(): void {
  byId('receive').addEventListener('click', show)
  byId('copy-address').addEventListener('click', () => void copy(byId('receive-address').textContent ?? '', byId('copied')))
  byId('copy-node').addEventListener('click', () => void copy(byId('receive-node').textContent ?? '', byId('copied')))
  for (const id of ['get-coins', 'more-coins']) {
    const pressed = byId(id)
    pressed.addEventListener('click', () => void busy(pressed, getCoins))
  }
}

function show(): void {
  const { snapshot, demo } = page
  if (snapshot === null) return
  const address = friendlyAddress(snapshot.wallet.address, network())
  say(byId('receive-address'), address)
  say(byId('receive-network'), network() === 'tvm:-239' ? 'main network' : 'test network')
  byId('receive-code').replaceChildren(code(`ton://transfer/${address}`))
  byId('more-coins').hidden = demo === null
  say(byId('copied'), '')
  const channel = ourChannel()
  const inbound = BigInt(channel?.their_balance ?? 0)
  say(
    byId('inbound'),
    inbound === 0n
      ? 'Over the relay you can receive what you have spent before: nothing so far. Coins on the chain arrive in any case.'
      : `Over the relay you can receive ${formatTon(inbound)} now, while this page is open. Give the payer your node key.`,
  )
  say(byId('receive-node'), snapshot.node)
  openSheet('receive-sheet')
}

/** Dark squares as one path, with the quiet zone that scanners want. */
function code(text: string): SVGElement {
  const rows = encodeQR(text, 'raw', { ecc: 'medium', border: 1 })
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path')
  path.setAttribute('fill', 'currentColor')
  path.setAttribute('d', rows.flatMap((row, y) => row.flatMap((dark, x) => (dark ? [`M${x} ${y}h1v1h-1z`] : []))).join(''))
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  svg.setAttribute('viewBox', `0 0 ${rows.length} ${rows.length}`)
  svg.setAttribute('shape-rendering', 'crispEdges')
  svg.setAttribute('aria-hidden', 'true')
  svg.append(path)
  return svg
}

/** Asks the demo's faucet, and says when the coins are there. */
async function getCoins(): Promise<void> {
  const node = theNode()
  const { demo } = page
  if (demo === null) throw new RillError('unsupported', 'only the demo has a faucet: send coins to your address')
  const hints = [byId('coins-hint'), byId('copied')]
  const tell = (words: string) => hints.forEach((hint) => say(hint, words))
  const before = (await node.snapshot()).wallet
  tell('Asking the faucet.')
  const body = JSON.stringify({ address: before.address, amount: COINS.toString() })
  try {
    const answer = await fetch(demo.faucet, { method: 'POST', headers: { 'content-type': 'application/json' }, body }).catch((cause: unknown) => {
      throw new RillError('relay_unreachable', `the faucet at ${demo.faucet} cannot be reached`, { retry: 'after', cause })
    })
    if (!answer.ok) throw new RillError('internal', `the faucet says no: ${(await answer.text()).slice(0, 300)}`, { retry: 'after' })
    tell(`${formatTon(COINS)} are on the way; they arrive with the next block.`)
    await node.waitForCoins(BigInt(before.balance ?? 0) + 1n, { timeoutMs: 60_000 })
    tell(`${formatTon(COINS)} have arrived.`)
  } catch (thrown) {
    tell('')
    throw thrown
  }
}
