// Conditionals, their resolves, and dictionaries of them, as a test wants them.
import * as cells from './cells.mjs'
import { ton } from './channel.mjs'
import { keyFromSeed, keyOf } from './keys.mjs'

/**
 * A promise with everything that is needed to claim it.
 *
 * @param {string} name decides the virtual key
 */
export function promise(name, { key = keyOf(`virtual ${name}`), slot, amount = ton('0.5'), ...terms } = {}) {
  const conditional = cells.conditionalCell({
    fee: 500_000n,
    capacity: ton('1'),
    deadline: 1_701_000_000,
    ...terms,
    key: key.public,
  })
  return {
    key,
    slot: slot ?? cells.slotOf(key.public),
    conditional,
    worth: amount + (terms.fee ?? 500_000n) - (terms.prepay ?? 0n),
    resolve: cells.resolveCell(key, amount),
  }
}

export function promises(count, options = {}) {
  return Array.from({ length: count }, (_, index) => promise(`${options.name ?? ''}${index}`, options))
}

/** The dictionary of some promises; those in `emptied` are there without a value. */
export function dictionaryOf(list, emptied = []) {
  const gone = new Set(emptied)
  return cells.dictionary(list.map(item => [item.slot, gone.has(item) ? cells.Cell.EMPTY : item.conditional]))
}

export const resolvesOf = list => list.map(item => [item.slot, item.resolve])

/** A key whose slot is exactly this number, by trying seeds; cheap for the 16 bits that are asked for here. */
export function grindKey(matches) {
  for (let counter = 0; ; counter += 1) {
    const seed = Buffer.alloc(32)
    seed.writeUInt32LE(counter)
    const key = keyFromSeed(seed)
    if (matches(cells.slotOf(key.public))) return key
  }
}
