// The picture: a coin on its way from this page over the relay to the shop. It follows what the node says; a payment
// is faster than the eye, so every stage is held long enough to be seen.

import type { PaymentState, PaymentSummary } from 'rill-ton'

import { tons } from './money.js'

type Stage = 'idle' | 'leaving' | 'relay' | 'shop' | 'failed'

const STAGE: Record<PaymentState, Stage> = { reserved: 'leaving', locked: 'relay', sent: 'shop', settled: 'shop', returning: 'failed', failed: 'failed' }
const ORDER: readonly Stage[] = ['leaving', 'relay', 'shop']
const HOLD_MS = 380
const REST_MS = 2_500

export class Path {
  private readonly queue: { stage: Stage; caption: string }[] = []
  private last: Stage = 'idle'
  private shown = ''
  private playing = false

  constructor(
    private readonly picture: HTMLElement,
    private readonly caption: HTMLElement,
  ) {}

  /** Takes the newest news of a payment. */
  follow(payment: PaymentSummary): void {
    const stage = STAGE[payment.state]
    if (payment.id !== this.shown) {
      this.shown = payment.id
      this.last = 'idle'
    }
    const [from, to] = [ORDER.indexOf(this.last), ORDER.indexOf(stage)]
    if (stage === this.last || (to >= 0 && to <= from)) return
    // A stage that went by unseen is shown all the same.
    for (const missed of ORDER.slice(from + 1, to)) this.queue.push({ stage: missed, caption: words(missed, payment) })
    this.queue.push({ stage, caption: words(stage, payment) })
    this.last = stage
    void this.play()
  }

  private async play(): Promise<void> {
    if (this.playing) return
    this.playing = true
    for (let next = this.queue.shift(); next !== undefined; next = this.queue.shift()) {
      this.picture.dataset['stage'] = next.stage
      this.caption.textContent = `In slow motion: ${next.caption}`
      await new Promise((done) => setTimeout(done, this.queue.length > 0 ? HOLD_MS : REST_MS))
    }
    this.picture.dataset['stage'] = 'idle'
    this.caption.textContent = 'Nothing is moving.'
    this.playing = false
  }
}

function words(stage: Stage, payment: PaymentSummary): string {
  const amount = tons(payment.amount)
  switch (stage) {
    case 'leaving':
      return `${amount} is promised to the relay, under a condition.`
    case 'relay':
      return `The relay promises ${amount} to the shop and keeps ${tons(payment.fee)} as its fee.`
    case 'shop':
      return `The shop has ${amount}. Every promise on the way is settled.`
    case 'failed':
      return `Not paid: ${payment.reason ?? 'refused'}.`
    case 'idle':
      return ''
  }
}
