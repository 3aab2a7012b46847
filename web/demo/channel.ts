// The sheet that opens the channel, or tops it up, and tells how far that is.

import { closeSheets, byId, openSheet, part, say } from './dom.js'
import { amount, busy } from './act.js'
import { draw } from './status.js'
import { obstacle, ourChannel, page, theNode } from './page.js'

const sheet = { target: null as bigint | null }

export function wireChannel(): void {
  const open = byId('open-channel')
  byId('start-channel').addEventListener('click', show)
  byId('top-up').addEventListener('click', show)
  byId<HTMLFormElement>('open').addEventListener('submit', (event) => {
    event.preventDefault()
    void busy(open, have)
  })
  // What was meant is over when something else is typed.
  part('deposit').addEventListener('input', () => (sheet.target = null))
}

function show(): void {
  const there = ourChannel()
  const more = there !== undefined
  sheet.target = null
  say(byId('channel-title'), more ? 'Top up your channel' : 'Open your channel')
  say(
    byId('channel-hint'),
    more
      ? 'Coins of your wallet go into the channel and are ready to spend there.'
      : 'How much should be ready to spend? It goes into a contract that only you and the relay can move, and only together.',
  )
  const label = document.querySelector<HTMLElement>('label[for="deposit"]')
  if (label !== null) say(label, more ? 'Add, TON' : 'In the channel, TON')
  say(byId('channel-cost'), more ? 'About 0.08 TON more go to fees.' : 'About 0.6 TON more go to the contract’s storage and fees.')
  say(byId('open-channel'), more ? 'Top up' : 'Open the channel')
  part<HTMLInputElement>('deposit').value = more ? '5' : '10'
  byId('channel-progress').hidden = true
  openSheet('channel-sheet')
}

async function have(): Promise<void> {
  const node = theNode()
  const typed = amount('deposit', () => void busy(byId('open-channel'), have))
  // Pressed again after a failure it is the same wish, however much of it has come true meanwhile.
  sheet.target ??= typed + BigInt(ourChannel()?.deposited ?? 0)
  const begun = performance.now()
  const tick = setInterval(() => progress(begun), 250)
  progress(begun)
  try {
    await node.openChannel(node.relay, sheet.target)
  } finally {
    clearInterval(tick)
    byId('channel-progress').hidden = true
  }
  sheet.target = null
  const kept = await node.kept()
  say(byId('kept'), kept ? 'the browser has promised to keep this page’s data' : 'the browser may delete this page’s data when space gets short')
  closeSheets()
  await draw()
}

function progress(begun: number): void {
  const line = byId('channel-progress')
  const phase = ourChannel()?.phase
  const what =
    obstacle() ??
    (page.snapshot?.wallet.busy === true || phase === 'open'
      ? 'Waiting for the chain to take it.'
      : phase === undefined || phase === 'opening'
        ? 'Agreeing with the relay.'
        : 'Both have signed. Sending the deposit.')
  const seconds = Math.round((performance.now() - begun) / 1000)
  line.hidden = false
  say(line, seconds < 3 ? what : `${what} ${seconds} s`)
}
