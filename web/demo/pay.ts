// The sheet of a payment: the coin on its way, what one waits for, and the moment when it has arrived.

import { RillError, formatTon, giveUp, wrapFetch } from 'rill-ton'
import type { NodeEvent, PayOrder, PaymentState } from 'rill-ton'

import { amount, busy, known } from './act.js'
import { clear, explain } from './advice.js'
import type { Choice } from './advice.js'
import { byId, make, openSheet, part, say } from './dom.js'
import { name } from './names.js'
import { obstacle, theNode } from './page.js'
import { Path } from './path.js'
import { draw } from './status.js'

export interface Article {
  readonly url: string
  readonly title: string
  readonly price?: string
}

/** Something sent to another node. */
export interface Gift {
  readonly order: PayOrder
  readonly total: bigint
}

/** One showing of the sheet: a later one takes it over, and the earlier one goes on unseen. */
interface Showing {
  words: string
  readonly begun: number
}

const path = new Path(byId('path'))
const stage: { showing: Showing | null; again: (() => void) | null } = { showing: null, again: null }

export function follow(event: NodeEvent): void {
  if (event.type === 'payment') path.follow(event)
}

/** Buys what an address has, at most for the limit above the shop. */
export async function buy(article: Article, pressed: HTMLElement): Promise<void> {
  await busy(pressed, async () => {
    const node = theNode()
    const maxAmount = amount('limit', () => void buy(article, pressed))
    const showing = show(`Buying “${article.title}”`, 'Shop', 'Asking the shop what it costs.', () => void buy(article, pressed))
    const place = new URL(article.url).host
    const paid = { total: 0n, id: '', problem: '' }
    const paidFetch = wrapFetch(node, {
      maxAmount,
      onBeforePayment: async (offer, total) => {
        paid.total = total
        showing.words = `Paying ${formatTon(total)}.`
        if (stage.showing === showing) path.begin(offer.id)
        await name(offer.id, { title: article.title, place })
        return undefined
      },
      onPayment: (payment) => {
        paid.id = payment.id
        showing.words = 'Paid. Waiting for what was bought.'
      },
      onReceipt: ({ problem }) => void (paid.problem = problem ?? ''),
    })
    try {
      const response = await paidFetch(article.url).catch((error: unknown) => {
        if (error instanceof RillError) throw error
        throw new RillError('disconnected', `the shop cannot be reached at ${place}`, { retry: 'after', cause: error })
      })
      const text = await response.text()
      if (!response.ok) throw new RillError('internal', `the shop answers with status ${response.status}`, { retry: 'after' })
      delivered(showing, article, text, paid)
    } catch (thrown) {
      await failed(showing, known(thrown), article)
    }
    void draw()
  })
}

/** Pays another node. */
export async function give({ order, total }: Gift, to: string, pressed: HTMLElement): Promise<void> {
  await busy(pressed, async () => {
    const node = theNode()
    const showing = show(`Sending ${formatTon(order.amount)}`, 'Receiver', `Paying ${formatTon(total)}.`, () => void give({ order, total }, to, pressed))
    path.begin(order.id)
    try {
      await name(order.id, { title: `Sent to ${to}`, place: '' })
      const begun = await node.pay(order)
      path.follow(begun)
      const payment = await node.finished(order.id, 30_000)
      if (payment.state === 'failed') {
        throw new RillError('payment_failed', payment.reason ?? 'it was refused', { retry: 'never', paymentId: order.id })
      }
      if (payment.state === 'returning') {
        const until = new Date((payment.locked_until ?? 0) * 1000).toLocaleTimeString()
        const message = `${payment.reason ?? 'it was refused'}; what was promised comes back at ${until}, unless it is claimed before`
        throw new RillError('in_flight', message, { retry: 'never', moneyMayHaveMoved: true, paymentId: order.id })
      }
      if (payment.state !== 'sent' && payment.state !== 'settled') {
        throw new RillError('in_flight', 'it has not arrived after 30 s', { retry: 'same', moneyMayHaveMoved: true, paymentId: order.id })
      }
      success(showing, `Sent ${formatTon(payment.amount)}`, `${took(showing)}, ${formatTon(payment.fee)} of it for the relay on top.`)
    } catch (thrown) {
      await failed(showing, known(thrown), null)
    }
    void draw()
  })
}

function show(title: string, end: string, words: string, again: () => void): Showing {
  const showing = { words, begun: performance.now() }
  stage.showing = showing
  stage.again = again
  path.begin('')
  say(byId('pay-title'), title)
  say(byId('path-end'), end)
  for (const id of ['paid', 'result', 'done']) byId(id).hidden = true
  openSheet('pay-sheet')
  clear()
  const tick = setInterval(() => {
    if (stage.showing === showing) waiting(showing)
    else clearInterval(tick)
  }, 250)
  waiting(showing)
  return showing
}

/** What one waits for; what stands in the way when it takes longer than it should. */
function waiting(showing: Showing): void {
  const seconds = Math.round((performance.now() - showing.begun) / 1000)
  const why = seconds < 2 ? null : obstacle()
  byId('pay-progress').hidden = false
  say(byId('pay-progress'), seconds < 3 ? showing.words : `${showing.words} ${why ?? 'It takes longer than usual.'} ${seconds} s`)
}

function over(): void {
  stage.showing = null
  byId('pay-progress').hidden = true
}

function took({ begun }: Showing): string {
  return `Asked, paid and confirmed in ${Math.round(performance.now() - begun)} ms`
}

function success(showing: Showing, sum: string, words: string): boolean {
  if (stage.showing !== showing) return false
  over()
  say(byId('pay-title'), 'Done')
  say(byId('paid-sum'), sum)
  say(byId('paid-words'), words)
  byId('paid').hidden = false
  byId('done').hidden = false
  return true
}

function delivered(showing: Showing, article: Article, text: string, paid: { total: bigint; id: string; problem: string }): void {
  const [sum, words] =
    paid.id === ''
      ? ['Nothing to pay', 'It was free.']
      : paid.total === 0n
        ? ['Paid earlier', 'The receipt of that payment was shown again. Nothing was charged.']
        : [`Paid ${formatTon(paid.total)}`, `${took(showing)}, the relay’s fee included.`]
  if (!success(showing, sum ?? '', words ?? '')) return
  const result = part('result')
  result.dataset['payment'] = paid.id
  result.dataset['ms'] = String(Math.round(performance.now() - showing.begun))
  result.replaceChildren(make('h3', article.title), make('p', text, 'text'))
  if (paid.problem !== '') result.append(make('p', `About the receipt: ${paid.problem}.`, 'soft'))
  result.hidden = false
}

async function failed(showing: Showing, error: RillError, article: Article | null): Promise<void> {
  const state = error.paymentId === undefined ? undefined : await stateOf(error.paymentId)
  const mine = stage.showing === showing
  if (mine) over()
  const choices: Choice[] = []
  const { again } = stage
  if (error.retry !== 'never' && mine && again !== null) choices.push({ label: 'Try again', press: again })
  const bound = error.retry === 'same' && error.paymentId !== undefined && state !== 'failed'
  if (bound && mine && article !== null) choices.push({ label: 'Give this payment up', press: () => sure(error, article) })
  explain(error, choices, state)
}

async function stateOf(id: string): Promise<PaymentState | undefined> {
  const payment = await theNode().payment(id).catch(() => null)
  return payment?.state
}

/** Money is at stake: it is asked twice. */
function sure(error: RillError, article: Article): void {
  const words = new RillError('user_rejected', 'the next try pays anew. The proof of this payment is kept, for a talk with the shop', {
    moneyMayHaveMoved: true,
    ...(error.paymentId === undefined ? {} : { paymentId: error.paymentId }),
  })
  explain(words, [
    { label: 'Keep it', press: () => explain(error, stage.again === null ? [] : [{ label: 'Try again', press: stage.again }]) },
    { label: 'Give it up for good', press: () => void giveUp(theNode(), article.url).then(clear) },
  ])
}
