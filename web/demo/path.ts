// The picture: a coin on its way from this page over the relay to whom it is for. It follows what the node says; a payment
// is faster than the eye, so every stage is held long enough to be seen.

import type { PaymentState, PaymentSummary } from 'rill-ton'

type Stage = 'idle' | 'leaving' | 'relay' | 'shop' | 'failed'

const STAGE: Record<PaymentState, Stage> = { reserved: 'leaving', locked: 'relay', sent: 'shop', settled: 'shop', returning: 'failed', failed: 'failed' }
const ORDER: readonly Stage[] = ['leaving', 'relay', 'shop']
const HOLD_MS = 360

export class Path {
  private queue: Stage[] = []
  private last: Stage = 'idle'
  private id = ''
  private playing = false

  constructor(private readonly picture: HTMLElement) {}

  /** Shows this payment from now on, from its beginning. */
  begin(id: string): void {
    this.id = id
    this.last = 'idle'
    this.queue = []
    this.picture.dataset['stage'] = 'idle'
  }

  /** Takes the newest news of a payment. */
  follow(payment: PaymentSummary): void {
    const stage = STAGE[payment.state]
    if (payment.id !== this.id || stage === this.last) return
    const [from, to] = [ORDER.indexOf(this.last), ORDER.indexOf(stage)]
    if (to >= 0 && to <= from) return
    // A stage that went by unseen is shown all the same.
    this.queue.push(...ORDER.slice(from + 1, Math.max(to, 0)), stage)
    this.last = stage
    void this.play()
  }

  private async play(): Promise<void> {
    if (this.playing) return
    this.playing = true
    for (let next = this.queue.shift(); next !== undefined; next = this.queue.shift()) {
      this.picture.dataset['stage'] = next
      await new Promise((done) => setTimeout(done, HOLD_MS))
    }
    this.playing = false
  }
}
