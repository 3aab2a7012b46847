// Shows what the node reports. Everything on the page comes from its snapshot; nothing is guessed ahead of it.

import type { ChannelSummary, NodeEvent, PaymentSummary, Snapshot } from 'rill-ton'

import { tons } from './money.js'

/** The element with this test id, which every part of the page has that shows something. */
export function part<E extends HTMLElement = HTMLElement>(name: string): E {
  const found = document.querySelector<E>(`[data-testid="${name}"]`)
  if (found === null) throw new Error(`the page has no part ${name}`)
  return found
}

export function byId<E extends HTMLElement = HTMLElement>(id: string): E {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`the page has no element ${id}`)
  return found as E
}

/** Sets a text only if it is another one, so that live regions speak only of changes. */
export function say(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text
}

export function showSnapshot(snapshot: Snapshot, relay: string): void {
  const { wallet } = snapshot
  say(part('wallet-address'), `0:${wallet.address}`)
  say(part('wallet-balance'), wallet.balance === null ? 'looking at the chain' : tons(wallet.balance))
  part('wallet-balance').dataset['nano'] = wallet.balance ?? ''
  showChannel(snapshot.channels.find((channel) => channel.peer === relay && channel.phase !== 'closed'), wallet.busy)
  showPayments(snapshot.payments)
}

const PHASES: Record<ChannelSummary['phase'], string> = {
  opening: 'Agreeing with the relay. Nothing is on chain yet.',
  ready: 'Both have signed. Waiting for the contract on chain.',
  open: 'The contract is on chain. Payments need it no more.',
  closed: 'The channel is closed. Open a new one.',
}

function showChannel(channel: ChannelSummary | undefined, busy: boolean): void {
  const phase = part('channel-phase')
  phase.dataset['phase'] = channel?.phase ?? 'none'
  say(phase, channel?.phase ?? 'none')
  const balance = part('channel-balance')
  say(balance, channel === undefined ? '–' : tons(channel.balance))
  balance.dataset['nano'] = channel?.balance ?? ''
  say(byId('open-channel'), channel === undefined ? 'Open channel' : 'Top up to this')
  const promised = channel !== undefined && channel.locked !== '0' ? ` ${tons(channel.locked)} more is promised in payments under way.` : ''
  const line = channel !== undefined && !channel.online ? ' The relay is not connected at the moment.' : ''
  if (channel !== undefined) {
    say(byId('channel-hint'), (busy && channel.phase !== 'open' ? 'The wallet is sending the deposit.' : PHASES[channel.phase]) + promised + line)
  }
  say(byId('path-payer'), channel?.phase === 'open' ? `can spend ${tons(channel.balance)}` : 'no open channel yet')
}

function showPayments(payments: readonly PaymentSummary[]): void {
  byId('no-payments').hidden = payments.length > 0
  byId('payments').replaceChildren(...payments.slice(0, 50).map(row))
}

function row(payment: PaymentSummary): HTMLElement {
  const line = document.createElement('tr')
  line.dataset['testid'] = 'payment'
  line.dataset['id'] = payment.id
  line.dataset['state'] = payment.state
  const took = payment.finished === null ? '' : `${payment.finished - payment.started} ms`
  line.dataset['ms'] = payment.finished === null ? '' : String(payment.finished - payment.started)
  const reason = payment.reason === null ? '' : `: ${payment.reason}`
  const cells = [payment.id.slice(0, 8), tons(payment.amount), tons(payment.fee), payment.state + reason, took]
  line.append(
    ...cells.map((text) => {
      const cell = document.createElement('td')
      cell.textContent = text
      return cell
    }),
  )
  const state = line.children[3] as HTMLElement
  state.dataset['state'] = payment.state
  return line
}

/** One line per event, newest last, at most 200. */
export function log(event: NodeEvent): void {
  const line = document.createElement('li')
  const { type, ...rest } = event
  line.textContent = `${new Date().toISOString().slice(11, 23)} ${type} ${JSON.stringify(rest)}`
  const list = byId('log')
  list.append(line)
  if (list.children.length > 200) list.firstElementChild?.remove()
}
