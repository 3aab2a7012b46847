// What was bought, by payment: the node keeps it beside its own records, so it is there after a reload.

import { theNode } from './page.js'

export interface Name {
  readonly title: string
  /** Where it was bought, or whom it was sent to. */
  readonly place: string
}

const known = new Map<string, Name | null>()

export async function name(id: string, given: Name): Promise<void> {
  known.set(id, given)
  await theNode().remember(`page:name:${id}`, JSON.stringify(given))
}

/** Null if nothing was written down about it. */
export async function nameOf(id: string): Promise<Name | null> {
  const found = known.get(id)
  if (found !== undefined) return found
  const text = await theNode().recall(`page:name:${id}`)
  const read = text === null ? null : readName(text)
  known.set(id, read)
  return read
}

function readName(text: string): Name | null {
  try {
    const { title, place } = JSON.parse(text) as Partial<Name>
    return typeof title === 'string' && typeof place === 'string' ? { title, place } : null
  } catch {
    return null
  }
}
