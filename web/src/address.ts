// Addresses of the chain as people copy them: 36 bytes in base64url, of which one tells how to use it and two find typing
// errors.

import type { Hex } from './types.js'

const BOUNCEABLE = 0x11
const NOT_BOUNCEABLE = 0x51
const TEST_ONLY = 0x80

/**
 * An account of workchain 0 as wallets show it. Not bounceable: coins stay there before its contract is on chain.
 *
 * @example
 * friendlyAddress(snapshot.wallet.address, 'tvm:-3') // 0Q…
 */
export function friendlyAddress(account: Hex, network: string): string {
  const bytes = new Uint8Array(36)
  bytes[0] = NOT_BOUNCEABLE | (network === 'tvm:-239' ? 0 : TEST_ONLY)
  for (let i = 0; i < 32; i++) bytes[2 + i] = Number.parseInt(account.slice(2 * i, 2 * i + 2), 16)
  const sum = crc16(bytes.subarray(0, 34))
  bytes[34] = sum >> 8
  bytes[35] = sum & 0xff
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, '-').replace(/\//g, '_')
}

/** An account of workchain 0 in any of the ways that wallets write it, or null. */
export function readAddress(text: string): { readonly account: Hex; readonly testOnly: boolean } | null {
  const raw = /^0:([0-9a-fA-F]{64})$/.exec(text.trim())
  if (raw?.[1] !== undefined) return { account: raw[1].toLowerCase(), testOnly: false }
  const friendly = text.trim().replace(/-/g, '+').replace(/_/g, '/')
  if (!/^[A-Za-z0-9+/]{48}$/.test(friendly)) return null
  const bytes = Uint8Array.from(atob(friendly), (char) => char.charCodeAt(0))
  const [tag = 0, workchain] = bytes
  const kind = tag & ~TEST_ONLY
  if ((kind !== BOUNCEABLE && kind !== NOT_BOUNCEABLE) || workchain !== 0) return null
  if (crc16(bytes.subarray(0, 34)) !== (bytes[34] ?? 0) * 256 + (bytes[35] ?? 0)) return null
  const account = [...bytes.subarray(2, 34)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  return { account, testOnly: (tag & TEST_ONLY) !== 0 }
}

/** CRC-16/XMODEM. */
function crc16(bytes: Uint8Array): number {
  let sum = 0
  for (const byte of bytes) {
    sum ^= byte << 8
    for (let bit = 0; bit < 8; bit++) sum = sum & 0x8000 ? ((sum << 1) ^ 0x1021) & 0xffff : (sum << 1) & 0xffff
  }
  return sum
}
