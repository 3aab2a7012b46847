// TON for people: nine decimals, no trailing zeros, never a floating point number.

const COIN = 1_000_000_000n

/** `1500000000` as `1.5 TON`. */
export function formatTon(nano: bigint | string): string {
  const amount = BigInt(nano)
  const decimals = (amount % COIN).toString().padStart(9, '0').replace(/0+$/, '')
  return `${amount / COIN}${decimals === '' ? '' : `.${decimals}`} TON`
}
