// What is written down before paying, and counts until the resource or a signed refusal has come: enough to prove the
// payment later. A note is named after the request that it pays for.

import { parseJson, utf8 } from './bytes.js'
import { isRecord } from './challenge.js'
import type { Requirements } from './challenge.js'
import { RillError } from './errors.js'
import type { Hex, PaymentProvider } from './types.js'

export interface Attempt {
  /** Of the invoice, and so of the payment. */
  readonly id: Hex
  readonly resource: unknown
  readonly accepted: Requirements
  /** Set when the whole answer was read, by which life of the page and when (unix milliseconds). */
  readonly answered?: { readonly session: string; readonly at: number }
}

/** The notes of one request. */
export class Notes {
  constructor(
    private readonly provider: Pick<PaymentProvider, 'remember' | 'recall'>,
    private readonly requestHash: Hex,
  ) {}

  /** @throws {@link RillError} `storage_corrupt`: what cannot be read may be of a payment, so nothing is paid over it */
  async read(): Promise<Attempt | null> {
    const text = await this.provider.recall(this.key())
    return text === null ? null : readAttempt(text)
  }

  write(attempt: Attempt): Promise<void> {
    return this.provider.remember(this.key(), JSON.stringify(attempt))
  }

  drop(): Promise<void> {
    return this.provider.remember(this.key(), null)
  }

  /** Ends an attempt whose payment was made: it is kept under the payment's own id, and the request is free again. */
  async end(attempt: Attempt, code: string): Promise<void> {
    await this.provider.remember(`refused:${attempt.id}`, JSON.stringify({ ...attempt, code }))
    await this.drop()
  }

  private key(): string {
    return `attempt:${this.requestHash}`
  }
}

function readAttempt(text: string): Attempt {
  const value = parseJson(utf8(text))
  if (!isRecord(value) || typeof value['id'] !== 'string' || !isRecord(value['accepted'])) {
    throw new RillError('storage_corrupt', 'the note of an earlier payment for this request cannot be read: update the program', {
      moneyMayHaveMoved: true,
    })
  }
  const attempt = { id: value['id'], resource: value['resource'], accepted: value['accepted'] as unknown as Requirements }
  const answered = value['answered']
  if (!isRecord(answered)) return attempt
  return { ...attempt, answered: { session: String(answered['session']), at: Number(answered['at']) } }
}
