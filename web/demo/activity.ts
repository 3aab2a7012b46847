// What was paid and received, newest first, with names and dates.

import { formatTon } from 'rill-ton'
import type { PaymentSummary, ReceivedSummary, Snapshot } from 'rill-ton'

import { button, byId, make } from './dom.js'
import { nameOf } from './names.js'

const FIRST = 8
/** Enough for the eye; the exact amounts are one touch away. */
const SHORT = { decimals: 4 }
const STATES: Record<PaymentSummary['state'], string> = {
  reserved: 'waiting for the relay',
  locked: 'on its way',
  sent: '',
  settled: '',
  returning: 'refused, coming back',
  failed: 'not paid',
}

const view = { shown: FIRST, drawn: '' }

export async function showActivity({ payments, received }: Snapshot): Promise<void> {
  const entries = [
    ...payments.map((payment) => ({ at: payment.started, row: () => paid(payment) })),
    ...received.map((one) => ({ at: one.at, row: () => got(one) })),
  ].sort((a, b) => b.at - a.at)
  byId('no-payments').hidden = entries.length > 0
  // Opened rows stay open as long as nothing has changed.
  const now = JSON.stringify([view.shown, payments, received])
  if (now === view.drawn) return
  view.drawn = now
  const rows = await Promise.all(entries.slice(0, view.shown).map(({ row }) => row()))
  if (entries.length > view.shown) rows.push(more({ payments, received } as Snapshot))
  const list = byId('payments')
  const open = new Set([...list.querySelectorAll<HTMLElement>('li:has(details[open])')].map((line) => line.dataset['id']))
  list.replaceChildren(...rows)
  for (const line of rows) if (open.has(line.dataset['id'])) line.querySelector('details')?.setAttribute('open', '')
}

function more(snapshot: Snapshot): HTMLElement {
  const line = document.createElement('li')
  line.append(
    button('Show more', () => {
      view.shown += 30
      void showActivity(snapshot)
    }),
  )
  return line
}

async function paid(payment: PaymentSummary): Promise<HTMLElement> {
  const named = await nameOf(payment.id).catch(() => null)
  const ms = payment.finished === null ? null : payment.finished - payment.started
  const state = [named?.place ?? '', STATES[payment.state], payment.state === 'failed' || payment.state === 'returning' ? (payment.reason ?? '') : '']
  const line = row({
    way: 'out',
    name: named?.title ?? `Payment to ${payment.to.slice(0, 8)}…`,
    when: [...state, day(payment.started)],
    value: `−${formatTon(BigInt(payment.amount) + BigInt(payment.fee), SHORT)}`,
    facts: [
      ['Price', formatTon(payment.amount)],
      ['Relay’s fee', formatTon(payment.fee)],
      ['Took', ms === null ? 'not finished' : `${ms} ms, from order to proof`],
      ['State', payment.state],
      ['Payment', payment.id],
      ['Receiver', payment.to],
    ],
  })
  line.dataset['testid'] = 'payment'
  line.dataset['id'] = payment.id
  line.dataset['state'] = payment.state
  line.dataset['ms'] = ms === null ? '' : String(ms)
  return line
}

function got(one: ReceivedSummary): Promise<HTMLElement> {
  const line = row({
    way: 'in',
    name: 'Received',
    when: ['over the relay', day(one.at)],
    value: `+${formatTon(one.amount, SHORT)}`,
    facts: [
      ['Amount', formatTon(one.amount)],
      ['State', one.settled ? 'settled' : 'promised by the relay'],
      ['Virtual key', one.key],
    ],
  })
  line.dataset['id'] = one.key
  return Promise.resolve(line)
}

interface Row {
  readonly way: 'in' | 'out'
  readonly name: string
  readonly when: readonly string[]
  readonly value: string
  readonly facts: readonly (readonly [string, string])[]
}

function row({ way, name, when, value, facts }: Row): HTMLElement {
  const line = document.createElement('li')
  line.dataset['way'] = way
  const summary = document.createElement('summary')
  const arrow = make('span', way === 'in' ? '↓' : '↑', 'way')
  arrow.setAttribute('aria-hidden', 'true')
  const words = document.createElement('span')
  words.append(make('span', name, 'name'), make('span', when.filter((part) => part !== '').join(' · '), 'when'))
  summary.append(arrow, words, make('span', value, 'value'))
  const list = make('dl', '', 'facts')
  for (const [term, fact] of facts) {
    list.append(make('dt', term), make('dd', fact, fact.length === 64 ? 'mono' : ''))
  }
  const details = document.createElement('details')
  details.append(summary, list)
  line.append(details)
  return line
}

const TIME = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' })
const DATE = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', year: 'numeric' })

function day(ms: number): string {
  const [then, now] = [new Date(ms), new Date()]
  const days = Math.round((new Date(now).setHours(0, 0, 0, 0) - new Date(then).setHours(0, 0, 0, 0)) / 86_400_000)
  const date = days === 0 ? 'Today' : days === 1 ? 'Yesterday' : DATE.format(then)
  return `${date}, ${TIME.format(then)}`
}
