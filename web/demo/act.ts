// Doing what a button says: once at a time, seen to be busy, and explained when it fails.

import { RillError, formatTon } from 'rill-ton'

import { ask, clear, explain, lookAt } from './advice.js'
import type { Choice } from './advice.js'
import { part } from './dom.js'
import { typed } from './money.js'

/** Thrown where somebody has to choose before anything is done. */
export class Question extends Error {
  constructor(
    readonly error: RillError,
    readonly choices: readonly Choice[],
  ) {
    super(error.message)
  }
}

/** Runs what a button is for; a second press while it runs does nothing. */
export async function busy(pressed: HTMLElement, work: () => Promise<void>): Promise<void> {
  if (pressed.getAttribute('aria-busy') === 'true') return
  pressed.setAttribute('aria-busy', 'true')
  clear()
  lookAt(pressed)
  try {
    await work()
  } catch (thrown) {
    if (thrown instanceof Question) ask(thrown.error, thrown.choices)
    else explain(known(thrown))
  } finally {
    pressed.removeAttribute('aria-busy')
  }
}

export function known(thrown: unknown): RillError {
  if (thrown instanceof RillError) return thrown
  return new RillError('internal', String(thrown), { moneyMayHaveMoved: true, cause: thrown })
}

/**
 * What stands in a field, in nano TON. An amount that can be read in two ways is asked about; the answer is put into the
 * field and `again` is run.
 */
export function amount(name: string, again: () => void): bigint {
  const field = part<HTMLInputElement>(name)
  const read = typed(field.value)
  field.setAttribute('aria-invalid', String(read.type !== 'amount'))
  if (read.type === 'amount') return read.nano
  field.focus()
  if (read.type === 'nothing') throw new RillError('bad_request', read.reason)
  const choices = read.readings.map((nano) => ({
    label: formatTon(nano),
    press: () => {
      field.value = formatTon(nano).replace(' TON', '')
      field.setAttribute('aria-invalid', 'false')
      again()
    },
  }))
  const [less, more] = read.readings.map((nano) => formatTon(nano))
  throw new Question(new RillError('bad_request', `“${field.value.trim()}” can be read as ${less} or as ${more}`), choices)
}
