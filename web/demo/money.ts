// What somebody types as an amount of TON. Half of the world writes a comma where the other half writes a point, so what
// can be read in two ways is not read but asked about.

const COIN = 1_000_000_000n

export type Typed =
  | { readonly type: 'amount'; readonly nano: bigint }
  /** `1,000` is one or a thousand. */
  | { readonly type: 'unclear'; readonly readings: readonly [bigint, bigint] }
  | { readonly type: 'nothing'; readonly reason: string }

/** An amount above zero. */
export function typed(text: string): Typed {
  const bare = text
    .trim()
    .replace(/\s*(TON|toncoin)$/i, '')
    // Blanks and apostrophes only ever stand between groups of three.
    .replace(/(?<=\d)[\s\u00a0\u202f'’](?=\d{3}(\D|$))/g, '')
  if (bare === '') return nothing('Type an amount, such as 1.5')
  if (!/^[0-9]+([.,][0-9]+)*$/.test(bare)) return nothing(`“${text.trim()}” is not an amount: write digits, such as 1.5`)
  const marks = bare.replace(/[0-9]/g, '')
  const groups = bare.split(/[.,]/)
  const last = marks.at(-1)
  const grouped = groups.slice(1).every((group) => group.length === 3) && /^[1-9][0-9]{0,2}$/.test(groups[0] ?? '')

  if (marks.length === 1 && grouped) {
    const [whole, part] = [amount(groups[0] ?? '', groups[1] ?? ''), amount(groups.join(''), '')]
    return whole === null || part === null ? tooMuch() : { type: 'unclear', readings: [whole, part] }
  }
  if (marks.length <= 1) return read(groups[0] ?? '', groups[1] ?? '')
  // Several marks of one kind part thousands; one of the other kind at the end parts decimals.
  const others = marks.slice(0, -1)
  if (grouped && [...marks].every((mark) => mark === last)) return read(groups.join(''), '')
  const wholes = groups.slice(0, -1)
  const inThrees = wholes.slice(1).every((group) => group.length === 3) && /^[1-9][0-9]{0,2}$/.test(wholes[0] ?? '')
  if (inThrees && ![...others].some((mark) => mark === last) && new Set(others).size === 1) return read(wholes.join(''), groups.at(-1) ?? '')
  return nothing(`“${text.trim()}” is not an amount: write it with one point and no other marks`)
}

function read(whole: string, decimals: string): Typed {
  if (decimals.length > 9 && /[1-9]/.test(decimals.slice(9))) return nothing('TON have nine decimals at most')
  const nano = amount(whole, decimals)
  if (nano === null) return tooMuch()
  return nano > 0n ? { type: 'amount', nano } : nothing('The amount must be more than nothing')
}

function amount(whole: string, decimals: string): bigint | null {
  if (whole.length > 12) return null
  return BigInt(whole) * COIN + BigInt(decimals.slice(0, 9).padEnd(9, '0'))
}

function tooMuch(): Typed {
  return nothing('There are not that many TON in the world')
}

function nothing(reason: string): Typed {
  return { type: 'nothing', reason }
}
