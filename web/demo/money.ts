// TON for people: nine decimals, no trailing zeros, never a floating point number.

const COIN = 1_000_000_000n

/** `1500000000` as `1.5 TON`. */
export function tons(nano: bigint | string): string {
  const amount = BigInt(nano)
  const decimals = (amount % COIN).toString().padStart(9, '0').replace(/0+$/, '')
  return `${amount / COIN}${decimals === '' ? '' : `.${decimals}`} TON`
}

/** What somebody typed, in nano; null if it is no amount above zero. */
export function typed(text: string): bigint | null {
  const parts = /^([0-9]{1,12})(?:[.,]([0-9]{1,9}))?$/.exec(text.trim())
  if (parts === null) return null
  const amount = BigInt(parts[1] ?? '0') * COIN + BigInt((parts[2] ?? '').padEnd(9, '0'))
  return amount > 0n ? amount : null
}
