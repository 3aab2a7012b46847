// What a server asks for with `402 Payment Required`, read and checked before anything is paid. The server chose every
// byte of it, so nothing is believed that the merchant node's signature or our own request does not confirm.

import { fromBase64, fromHex, parseJson, sha256, toHex, utf8 } from './bytes.js'
import { RillError } from './errors.js'
import type { Hex, PaymentProvider } from './types.js'

/** One entry of `accepts`; echoed whole, so unknown members are kept. */
export interface Requirements {
  readonly scheme: string
  readonly network: string
  readonly amount: string
  readonly asset: string
  readonly payTo: string
  readonly extra: Readonly<Record<string, unknown>>
}

export interface Challenge {
  readonly error: string | null
  readonly resource: unknown
  readonly accepts: readonly Requirements[]
}

export interface Relay {
  readonly node: Hex
  readonly fee: bigint
}

/** A signed offer that fits our request. */
export interface Offer {
  readonly id: Hex
  /** The merchant's node: it signed the invoice and it is the one that is paid. */
  readonly nodeKey: Hex
  /** Nano TON for the merchant, fees not included. */
  readonly amount: bigint
  /** Unix seconds. */
  readonly expiry: number
  readonly relays: readonly Relay[]
  readonly requestHash: Hex
  readonly resource: unknown
  readonly accepted: Requirements
}

/** What a request is, as an invoice names it: its hash is the same for identical requests only. */
export async function requestHash(method: string, url: string, body: Uint8Array): Promise<Hex> {
  // Members in the order of RFC 8785 (JCS), which JSON.stringify keeps.
  const canonical = JSON.stringify({
    bodyHash: toHex(await sha256(body)),
    domain: 'x402:exact:tvm:payment-network:http:1',
    headers: [],
    method,
    url,
  })
  return toHex(await sha256(utf8(canonical)))
}

/** What an Ed25519 signature with a node key signs: a domain keeps apart what it is for. */
export async function signedDigest(domain: string, text: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  return sha256(utf8(domain), Uint8Array.of(0), text)
}

/**
 * Reads the `PAYMENT-REQUIRED` header.
 *
 * @throws {@link RillError} `bad_challenge`
 */
export function readChallenge(header: string): Challenge {
  const value = parseJson(header.length <= HEADER_MAX ? fromBase64(header) : null)
  if (!isRecord(value) || value['x402Version'] !== 2 || !Array.isArray(value['accepts'])) {
    throw bad('its PAYMENT-REQUIRED header is not an x402 version 2 challenge')
  }
  return {
    error: typeof value['error'] === 'string' ? value['error'] : null,
    resource: value['resource'] ?? null,
    accepts: value['accepts'].filter(isRequirements),
  }
}

/**
 * Picks the offer that this node can honour and checks it: invoice signature, request, amount, asset, network, expiry.
 *
 * @throws {@link RillError} `unsupported`, `wrong_network`, `expired`, `bad_challenge`
 */
export async function checkOffer(
  challenge: Challenge,
  expected: Hex,
  provider: Pick<PaymentProvider, 'network' | 'verify'>,
  nowSeconds: number,
): Promise<Offer> {
  const ours = challenge.accepts.filter(
    (entry) => entry.scheme === 'exact' && entry.extra['assetTransferMethod'] === 'payment-network',
  )
  if (ours.length === 0) throw new RillError('unsupported', 'the server does not take payments over the payment network')
  const accepted = ours.find((entry) => entry.network === provider.network)
  if (accepted === undefined) {
    const networks = ours.map((entry) => entry.network).join(', ')
    throw new RillError('wrong_network', `the server wants to be paid on ${networks}, this node is on ${provider.network}`)
  }
  return checkInvoice(challenge.resource, accepted, expected, provider, nowSeconds)
}

async function checkInvoice(
  resource: unknown,
  accepted: Requirements,
  expected: Hex,
  provider: Pick<PaymentProvider, 'verify'>,
  nowSeconds: number,
): Promise<Offer> {
  const { extra } = accepted
  const bytes = fromBase64(extra['invoice'])
  const signature = extra['invoiceSignature']
  const invoice = parseJson(bytes)
  if (bytes === null || !isRecord(invoice) || invoice['v'] !== 1) throw bad('it holds no invoice of version 1')

  const nodeKey = invoice['nodeKey']
  if (fromHex(nodeKey, 32) === null || typeof nodeKey !== 'string' || nodeKey !== extra['nodeKey']) {
    throw bad('its invoice names another node key than its offer')
  }
  const digest = await signedDigest('rill:invoice:v1', bytes)
  if (fromHex(signature, 64) === null || typeof signature !== 'string' || !provider.verify(nodeKey, digest, signature)) {
    throw bad('the signature of its invoice is wrong')
  }

  const { id, expiry, asset } = invoice
  const amount = nano(invoice['amount'])
  if (fromHex(id, 32) === null || typeof id !== 'string') throw bad('its invoice has no id of 32 bytes')
  if (amount === null || amount === 0n || invoice['amount'] !== accepted.amount) {
    throw bad('its invoice and its offer name different amounts')
  }
  if (asset !== 'TON' || accepted.asset !== 'TON') {
    throw new RillError('unsupported', `the server wants to be paid in ${String(accepted.asset)}; this node pays in TON only`)
  }
  if (invoice['requestHash'] !== expected) throw bad('its invoice is for another request than this one')
  if (typeof expiry !== 'number' || !Number.isSafeInteger(expiry)) throw bad('its invoice has no expiry')
  if (expiry <= nowSeconds) {
    throw new RillError('expired', `its invoice expired ${nowSeconds - expiry} s ago; ask again, or check the clock`, { retry: 'new' })
  }
  return { id, nodeKey, amount, expiry, relays: relays(invoice['routes']), requestHash: expected, resource, accepted }
}

function relays(value: unknown): Relay[] {
  if (!Array.isArray(value) || value.length > ROUTES_MAX) throw bad('its invoice has no list of routes')
  return value.map((route: unknown) => {
    const relay = isRecord(route) ? route['relay'] : null
    const fee = isRecord(route) ? nano(route['fee']) : null
    if (fromHex(relay, 32) === null || typeof relay !== 'string' || fee === null) throw bad('a route of its invoice is malformed')
    return { node: relay, fee }
  })
}

/** A decimal string of nano, in the range of the chain's coins (120 bits); null if it is anything else. */
export function nano(value: unknown): bigint | null {
  if (typeof value !== 'string' || !/^(0|[1-9][0-9]{0,36})$/.test(value)) return null
  const amount = BigInt(value)
  return amount < 1n << 120n ? amount : null
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isRequirements(value: unknown): value is Requirements {
  return (
    isRecord(value) &&
    ['scheme', 'network', 'amount', 'asset', 'payTo'].every((name) => typeof value[name] === 'string') &&
    isRecord(value['extra'])
  )
}

function bad(reason: string): RillError {
  return new RillError('bad_challenge', `nothing was paid: the server's demand cannot be trusted, ${reason}`)
}

/** Proxies cut headers off long before this. */
const HEADER_MAX = 65_536
const ROUTES_MAX = 16
