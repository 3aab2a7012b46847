// Randomness that a seed repeats.

/** @param {number} seed */
export function randomOf(seed) {
  let state = (seed * 2654435761 + 1) >>> 0
  const next = () => {
    // xorshift32
    state ^= state << 13
    state >>>= 0
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state / 0x1_0000_0000
  }
  for (let i = 0; i < 8; i += 1) next()
  const below = limit => Math.floor(next() * limit)
  return {
    below,
    pick: list => list[below(list.length)],
    chance: probability => next() < probability,
    amount: limit => BigInt(below(Number(limit) + 1)),
  }
}
