// How hard a passphrase is to guess. Who steals the browser's data can try passphrases for as long as they like; each try
// costs them a moment of a fast machine, and nothing else stands in their way.

export interface Strength {
  /** 0 to 4. */
  readonly score: 0 | 1 | 2 | 3 | 4
  readonly words: string
}

const LEVELS: readonly string[] = [
  'Very weak: found in no time.',
  'Weak: a thief with a good machine finds it.',
  'Fair. Another word makes it good.',
  'Good.',
  'Strong.',
]
/** Bits from which each level begins. */
const BITS: readonly number[] = [0, 28, 40, 55, 75]
/** What guessing begins with. */
const COMMON = /pass(word|wort|phrase)?|qwert[yz]?|asdf|letmein|welcome|admin|iloveyou|monkey|dragon|secret|wallet|bitcoin|toncoin|demo|test|summer|winter|spring|autumn|hallo|hello|1q2w3e|abc|(19|20)\d\d/g

export function strength(passphrase: string): Strength {
  const score = BITS.filter((bits) => bitsOf(passphrase) >= bits).length - 1
  return { score: Math.max(0, score) as Strength['score'], words: LEVELS[Math.max(0, score)] ?? '' }
}

/** A cautious guess: what is common counts as one choice, what repeats or goes on from its neighbour hardly at all. */
function bitsOf(passphrase: string): number {
  const lower = passphrase.toLowerCase()
  const commons = lower.match(COMMON) ?? []
  const rest = lower.replace(COMMON, '')
  const pool = [/[a-z]/, /[A-Z]/, /[0-9]/, /[^a-zA-Z0-9]/].reduce((sum, kind, n) => sum + (kind.test(passphrase) ? ([26, 26, 10, 33][n] ?? 0) : 0), 0)
  // A letter of a language tells far less than one of its alphabet.
  const each = Math.min(Math.log2(Math.max(2, pool)), /^[\p{L}\s]+$/u.test(passphrase) ? 3 : 6)
  const seen = new Map<string, number>()
  let bits = commons.length * 6
  const chars = [...rest]
  chars.forEach((char, at) => {
    const before = chars[at - 1]
    const step = before === undefined ? null : (char.codePointAt(0) ?? 0) - (before.codePointAt(0) ?? 0)
    const times = seen.get(char) ?? 0
    seen.set(char, times + 1)
    bits += step !== null && Math.abs(step) <= 1 ? 1 : each / Math.max(1, times - 1)
  })
  return bits
}
