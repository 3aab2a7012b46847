// Reads bags of cells as the emulator writes them. Tests read the same account again and again, with one or two cells
// that are new: a cell that was read before is not built and hashed again, which is most of what reading costs.
import core from '@ton/core'

const { BitString, Cell } = core

const known = new Map()
const KEPT = 20_000

/** The root of a bag of cells. */
export function readBoc(base64) {
  if (known.size > KEPT) known.clear()
  const bytes = Buffer.from(base64, 'base64')
  const hasIndex = bytes[4] >> 7
  const size = bytes[4] & 7
  const offset = bytes[5]
  const count = bytes.readUIntBE(6, size)
  let at = 6 + 3 * size + offset
  const root = bytes.readUIntBE(at, size)
  at += size + hasIndex * count * offset

  const raw = []
  for (let i = 0; i < count; i += 1) {
    const begin = at
    const refs = bytes[at] & 7
    const end = at + 2 + Math.ceil(bytes[at + 1] / 2)
    raw.push({ begin, end, refs: Array.from({ length: refs }, (_, index) => bytes.readUIntBE(end + index * size, size)) })
    at = end + refs * size
  }
  // References point forward only.
  const made = []
  for (let i = count - 1; i >= 0; i -= 1) {
    const { begin, end, refs } = raw[i]
    const name = `${bytes.latin1Slice(begin, end)}${refs.map(ref => made[ref].number)}`
    let entry = known.get(name)
    if (!entry) {
      entry = { number: known.size, cell: build(bytes.subarray(begin, end), refs.map(ref => made[ref].cell)) }
      known.set(name, entry)
    }
    made[i] = entry
  }
  return made[root].cell
}

function build(bytes, refs) {
  const data = Buffer.from(bytes.subarray(2))
  let length = data.length * 8
  if (bytes[1] % 2 === 1) {
    // The last byte ends in a one and zeros that fill it up.
    length -= 1 + Math.log2(data.at(-1) & -data.at(-1))
  }
  return new Cell({ exotic: (bytes[0] & 8) !== 0, bits: new BitString(data, 0, length), refs })
}
