// How things stand: the balance, the steps that lead to the first purchase, and the connections. Everything comes from the
// node's own picture of itself; nothing is guessed ahead of it.

import { formatTon, friendlyAddress } from 'rill-ton'
import type { ChannelSummary, NodeEvent, Snapshot } from 'rill-ton'

import { showActivity } from './activity.js'
import { byId, make, part, say } from './dom.js'
import { network, obstacle, ourChannel, page } from './page.js'

/** Draws the node's own picture of itself, once per frame at most. */
export async function draw(): Promise<void> {
  const { node } = page
  if (drawing.now || node === null) return
  drawing.now = true
  await new Promise((frame) => setTimeout(frame, 16))
  drawing.now = false
  try {
    const snapshot = await node.snapshot()
    if (page.node !== node) return
    page.snapshot = snapshot
    showBalance(snapshot)
    showSteps(snapshot)
    showChannel(ourChannel())
    await showActivity(snapshot)
  } catch {
    // Closed meanwhile: the phase says so.
  }
}

/** Enough for the eye; the exact amounts are one touch away. */
const SHORT = { decimals: 4 }
const drawing = { now: false }

function showBalance({ wallet, node }: Snapshot): void {
  const ready = BigInt(ourChannel()?.balance ?? 0)
  const onChain = wallet.balance === null ? null : BigInt(wallet.balance)
  sum(byId('balance'), onChain === null ? null : ready + onChain)
  amount('channel-balance', ready, ourChannel() === undefined ? '' : String(ready))
  amount('wallet-balance', onChain, wallet.balance ?? '')
  say(part('wallet-address'), `0:${wallet.address} · ${friendlyAddress(wallet.address, network())}`)
  say(part('node-key'), node)
}

function sum(place: HTMLElement, nano: bigint | null): void {
  const text = nano === null ? 'Looking…' : formatTon(nano, SHORT).replace(' TON', '')
  if (place.dataset['nano'] === String(nano)) return
  place.dataset['nano'] = String(nano)
  place.title = nano === null ? '' : formatTon(nano)
  place.replaceChildren(text, ...(nano === null ? [] : [make('small', ' TON')]))
}

function amount(name: string, nano: bigint | null, exact: string): void {
  say(part(name), nano === null ? 'Looking…' : formatTon(nano, SHORT))
  part(name).dataset['nano'] = exact
}

const PHASES: Record<ChannelSummary['phase'], string> = {
  opening: 'agreeing with the relay, nothing is on chain yet',
  ready: 'both have signed, waiting for the contract on chain',
  open: 'the contract is on chain, payments need it no more',
  closed: 'closed',
}

function showChannel(channel: ChannelSummary | undefined): void {
  const phase = part('channel-phase')
  phase.dataset['phase'] = channel?.phase ?? 'none'
  say(phase, channel?.phase ?? 'none')
  const more = channel === undefined ? [] : [PHASES[channel.phase], `deposited ${formatTon(channel.deposited)}`]
  if (channel !== undefined && channel.locked !== '0') more.push(`${formatTon(channel.locked)} promised in payments under way`)
  if (channel !== undefined && !channel.online) more.push('the relay is not connected')
  say(byId('channel-words'), more.map((words) => `, ${words}`).join(''))
  enable()
}

const STEPS = ['coins', 'channel', 'buy'] as const

function showSteps({ wallet, payments }: Snapshot): void {
  const channel = ourChannel()
  const done = {
    coins: channel !== undefined || BigInt(wallet.balance ?? 0) > 0n,
    channel: channel?.phase === 'open',
    buy: payments.some(({ state }) => state === 'sent' || state === 'settled'),
  }
  const now = STEPS.find((step) => !done[step])
  for (const step of STEPS) {
    const line = document.querySelector<HTMLElement>(`[data-step="${step}"]`)
    if (line === null) continue
    line.dataset['state'] = step === now ? 'now' : done[step] ? 'done' : 'later'
    if (step === now) line.setAttribute('aria-current', 'step')
    else line.removeAttribute('aria-current')
  }
  byId('steps').hidden = now === undefined || (done.channel && payments.length > 0)
}

/** Takes what the node says about itself and its connections. */
export function heard(event: NodeEvent): void {
  switch (event.type) {
    case 'phase':
      page.phase = event.phase
      break
    case 'relay':
      page.relay = { online: event.online, reason: event.reason ?? 'no answer' }
      break
    case 'chain':
      page.chain = { online: event.online, reason: event.reason ?? 'no answer' }
      line('chain', event.online, event.online ? `block ${event.block ?? ''}` : `not connected, trying again (${page.chain.reason})`)
      return showHealth()
    default:
      return
  }
  showHealth()
}

/** After a node has gone, or none has come: nothing of it is true any more. */
export function forget(): void {
  Object.assign(page, { node: null, snapshot: null, phase: 'none', relay: null, chain: null })
  line('chain', null, 'not asked yet')
  showHealth()
}

const WORDS: Record<typeof page.phase, string> = {
  none: 'Not started',
  starting: 'Starting',
  restoring: 'Reading your wallet',
  syncing: 'Looking for the chain',
  ready: 'Ready',
  degraded: 'Starting again',
  stopped: 'Stopped',
  error: 'Stopped by a fault: reload the page',
}

function showHealth(): void {
  const { phase, relay, chain } = page
  if (relay === null) line('relay', null, 'not asked yet')
  else line('relay', relay.online, relay.online ? 'connected' : `not connected, trying again (${relay.reason})`)
  const words = phase !== 'ready' ? WORDS[phase] : relay?.online !== true ? 'Relay not connected' : chain?.online !== true ? 'Chain not in sight' : 'Ready'
  part('phase').dataset['phase'] = phase
  say(part('phase'), words)
  const bad = phase === 'error' || phase === 'degraded' || phase === 'stopped' || (phase === 'ready' && obstacle() !== null)
  enable()
  byId('health').dataset['mood'] = words === 'Ready' ? 'good' : bad ? 'bad' : 'waiting'
}

/** What needs a node can be pressed while there is one. */
export function enable(): void {
  const off = page.node === null || page.phase === 'stopped' || page.phase === 'error'
  const buttons = document.querySelectorAll<HTMLButtonElement>('#receive, #send, #start-channel, #get-coins, #shelf button')
  for (const button of buttons) button.disabled = off
  byId<HTMLButtonElement>('top-up').disabled = off || ourChannel()?.phase !== 'open'
  byId('get-coins').hidden = page.demo === null
}

function line(name: 'relay' | 'chain', online: boolean | null, text: string): void {
  part(name).dataset['state'] = online === null ? 'unknown' : online ? 'online' : 'offline'
  say(part(name), text)
}

/** One line per event, newest last, at most 200. */
export function log(event: NodeEvent): void {
  const { type, ...rest } = event
  const list = byId('log')
  list.append(make('li', `${new Date().toISOString().slice(11, 23)} ${type} ${JSON.stringify(rest)}`))
  if (list.children.length > 200) list.firstElementChild?.remove()
}
