// What to tell a person about an error: looked up by its code, so that the words are ours and say what to do next.

import type { ErrorCode, RillError } from 'rill-ton'

const ADVICE: Record<ErrorCode, readonly [title: string, next: string]> = {
  bad_challenge: ['The shop sent a demand that cannot be trusted', 'Tell the shop. Do not pay it in another way.'],
  bad_request: ['This cannot be used', 'Check what was typed or pasted and try again.'],
  budget_exceeded: ['It costs more than the limit', 'Raise “Pay at most” above, if it is worth it to you.'],
  chain_unreachable: ['The chain is not in sight', 'The page keeps trying. Check that the relay and its liteserver are running.'],
  channel_refused: ['The relay does not open a channel', 'Ask its operator, or use another relay.'],
  disconnected: ['The node stopped before it answered', 'Try again: nothing is ever done twice.'],
  duplicate: ['This invoice was used before', 'Ask the shop about it, naming the payment below.'],
  expired: ['The invoice has expired', 'Press the button again to get a fresh one. Check that your clock is right.'],
  in_flight: ['Paid, but the answer has not come', 'Press the same button again: it shows the same proof and does not pay twice.'],
  insufficient_balance: ['Not enough in the channel', 'Top the channel up: set a larger deposit in step 2.'],
  insufficient_capacity: ['The channel is too small for this', 'Top the channel up: set a larger deposit in step 2.'],
  internal: ['Something went wrong inside', 'Reload the page. The node goes on from its last stored state.'],
  no_route: ['There is no way to this shop yet', 'Open a channel with the relay first (step 2).'],
  not_found: ['Nothing is known about this payment', 'It was never made. Press the button again.'],
  not_leader: ['The node already runs in another tab', 'Use that tab, or close it and press “Start the node” here.'],
  payment_failed: ['The shop was not paid', 'Try again. What is still locked comes back by itself.'],
  relay_unreachable: ['The relay cannot be reached', 'The page keeps trying. Check that the relay is running and that the invitation is the right one.'],
  storage_corrupt: ['The stored data cannot be read', 'Do not delete anything. Restore from a backup or update the program.'],
  storage_not_durable: ['The browser does not keep data', 'Leave private browsing or free some space, then reload the page.'],
  unsupported: ['That does not work here', 'Use a current browser over https or on localhost, or a shop that takes TON over the payment network.'],
  user_rejected: ['You said no', 'Nothing was paid.'],
  verification_failed: ['The shop does not accept the proof', 'Ask the shop about it, naming the payment below.'],
  wrong_network: ['The shop wants another network', 'Start the node on that network.'],
  wrong_passphrase: ['Wrong passphrase', 'Your keys are safe and unchanged. Type the passphrase they were made with and press “Start the node”.'],
}

/** Shows an error where screen readers announce it. */
export function explain(place: HTMLElement, error: RillError): void {
  const [title, next] = ADVICE[error.code] ?? [error.code, '']
  show(place, error.code, title, [error.message, next, moved(error)])
}

/** Shows what the node itself finds worth telling: it goes on, but its owner may have to do something. */
export function warn(place: HTMLElement, reason: string): void {
  show(place, 'trouble', 'The node needs attention', [reason, 'It tries again by itself where that can help.'])
}

function show(place: HTMLElement, code: string, title: string, texts: readonly string[]): void {
  const heading = document.createElement('h2')
  heading.textContent = title
  const lines = texts.filter((line) => line !== '')
  place.dataset['code'] = code
  place.replaceChildren(heading, ...lines.map(paragraph))
  place.hidden = false
}

function moved(error: RillError): string {
  if (!error.moneyMayHaveMoved) return 'No money has moved.'
  return error.paymentId === undefined ? 'Money may have moved.' : `Money may have moved: payment ${error.paymentId}.`
}

function paragraph(text: string): HTMLElement {
  const line = document.createElement('p')
  line.textContent = text
  return line
}
