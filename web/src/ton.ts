// TON for people: nine decimals, no trailing zeros, never a floating point number.

const COIN = 1_000_000_000n

/** `1500000000` as `1.5 TON`. With fewer `decimals` what is behind them is cut off, never rounded up. */
export function formatTon(nano: bigint | string, { decimals = 9 }: { readonly decimals?: number } = {}): string {
  const amount = BigInt(nano)
  const fraction = (amount % COIN).toString().padStart(9, '0').slice(0, decimals).replace(/0+$/, '')
  return `${amount / COIN}${fraction === '' ? '' : `.${fraction}`} TON`
}
