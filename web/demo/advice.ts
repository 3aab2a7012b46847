// What to tell a person about an error: looked up by its code, so that the words are ours and say what to do next. It is
// shown where one looks: in the sheet that is open, or below the balance.

import type { ErrorCode, PaymentState, RillError } from 'rill-ton'

import { button, byId, make } from './dom.js'

const ADVICE: Record<ErrorCode, readonly [title: string, next: string]> = {
  bad_challenge: ['The shop sent a demand that cannot be trusted', 'Tell the shop. Do not pay it in another way.'],
  bad_request: ['This cannot be used', ''],
  budget_exceeded: ['It costs more than your limit', 'Raise “At most” above the shop, if it is worth it to you.'],
  chain_unreachable: ['The chain is not in sight', 'The page keeps trying. Try again in a moment.'],
  channel_refused: ['The relay does not open a channel', 'Ask its operator, or use the invitation of another relay.'],
  disconnected: ['No answer', 'Try again: nothing is ever done twice.'],
  duplicate: ['The shop says that this was used before', 'Ask the shop about it, naming the payment.'],
  expired: ['The invoice has expired', 'Try again to get a fresh one. If that does not help, check your clock.'],
  in_flight: ['Not finished yet', 'Try again: it goes on where it was, and pays nothing twice.'],
  insufficient_balance: ['Not enough coins', ''],
  insufficient_capacity: ['The channel is too small for this', 'Top up the channel, then try again.'],
  internal: ['Something went wrong inside', 'Reload the page. The node goes on from its last stored state.'],
  no_route: ['There is no way to this receiver yet', 'Open a channel with its relay first.'],
  not_found: ['Nothing is known about this payment', 'It was never made. Try again.'],
  not_leader: ['Your wallet is open in another tab', 'Use that tab, or close it and open the wallet here.'],
  payment_failed: ['The receiver was not paid', 'Try again. What is still locked comes back by itself.'],
  relay_unreachable: ['The relay cannot be reached', 'The page keeps trying. If it lasts, check the invitation.'],
  storage_corrupt: ['The stored data cannot be read', 'Delete nothing. Update the program, or restore from a backup.'],
  storage_not_durable: ['The browser does not keep data', ''],
  unsupported: ['That does not work here', ''],
  user_rejected: ['You said no', 'Nothing was paid.'],
  verification_failed: ['The shop does not accept the proof', 'Ask the shop about it, naming the payment.'],
  wrong_network: ['The shop wants another network', 'Open a wallet on that network.'],
  wrong_passphrase: ['Wrong passphrase', 'Your keys are safe and unchanged. Type the passphrase that they were made with.'],
}

const pointer: { slot: HTMLElement | null } = { slot: null }

/** Errors are shown beside this from now on, unless a sheet lies over it. */
export function lookAt(pressed: HTMLElement): void {
  pointer.slot = pressed.closest('form, section')?.querySelector<HTMLElement>('.slot') ?? null
}

/** What `in_flight` means depends on how far the payment is. */
const UNDER_WAY: Partial<Record<PaymentState, readonly [title: string, next: string]>> = {
  reserved: ['Not paid yet', 'It is set aside here and the relay has not taken it. It goes out when the relay is there, or comes back.'],
  locked: ['On its way', 'The relay has it; the receiver has not confirmed yet. It arrives, or comes back by itself.'],
  returning: ['Refused, and coming back', 'The promise can still be claimed until then, so the page does not pay again by itself.'],
  sent: ['Paid, but the answer has not come', 'Try again: the page shows its receipt and pays nothing more.'],
  settled: ['Paid, but the answer has not come', 'Try again: the page shows its receipt and pays nothing more.'],
}

/** Something that a person can do about an error. */
export interface Choice {
  readonly label: string
  readonly press: () => void
}

export function explain(error: RillError, choices: readonly Choice[] = [], state?: PaymentState): void {
  const way = error.code === 'in_flight' && state !== undefined ? UNDER_WAY[state] : undefined
  const [title, next] = way ?? ADVICE[error.code] ?? [error.code, '']
  const moved = error.code === 'bad_request' ? '' : !error.moneyMayHaveMoved ? 'No money has moved.' : state === 'reserved' ? '' : 'Money may have moved.'
  show(error.code, title, [sentence(error.message), next, moved], choices, error.paymentId)
}

/** Something that only the person can answer. */
export function ask(error: RillError, choices: readonly Choice[]): void {
  show(error.code, 'Which one is meant?', [sentence(error.message)], choices)
}

/** Shows what the node itself finds worth telling: it goes on, but its owner may have to do something. */
export function warn(reason: string): void {
  const shown = byId('error')
  // What somebody has just been told about their own doing comes first.
  if (!shown.hidden && shown.dataset['code'] !== 'trouble') return
  show('trouble', 'Your wallet needs attention', [sentence(reason)], [])
}

export function clear(): void {
  const error = byId('error')
  error.hidden = true
  error.replaceChildren()
  delete error.dataset['code']
  byId('notices').append(error)
}

function show(code: string, title: string, texts: readonly string[], choices: readonly Choice[], paymentId?: string): void {
  const error = byId('error')
  const slot = document.querySelector<HTMLElement>('dialog[open] .slot') ?? pointer.slot ?? byId('notices')
  error.dataset['code'] = code
  error.replaceChildren(make('h3', title), ...texts.filter((line) => line !== '').map((line) => make('p', line)))
  if (paymentId !== undefined) error.append(make('p', `Payment ${paymentId}`, 'mono'))
  if (choices.length > 0) {
    const row = make('div', '', 'row')
    row.append(...choices.map(({ label, press }) => button(label, press)))
    error.append(row)
  }
  slot.append(error)
  error.hidden = false
  error.scrollIntoView({ block: 'nearest' })
}

function sentence(text: string): string {
  const trimmed = text.trim()
  if (trimmed === '') return ''
  return trimmed.charAt(0).toUpperCase() + trimmed.slice(1) + (/[.!?]$/.test(trimmed) ? '' : '.')
}
