// What a server asks for with `402 Payment Required`, read and checked before anything is paid. The server chose every
// byte of it, so nothing is believed that the merchant node's signature or our own request does not confirm.

import { fromBase64, fromHex, parseJson, sha256, toHex, utf8 } from './bytes.js'
import { RillError } from './errors.js'
import type { Hex, PaymentProvider } from './types.js'

/** An entry of `accepts` in our way of paying; echoed whole, so unknown members are kept. */
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
  readonly accepts: readonly Record<string, unknown>[]
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
 * @throws {@link RillError} `bad_challenge`, `unsupported`
 */
export function readChallenge(header: string): Challenge {
  if (header.length > HEADER_MAX) throw bad(`its PAYMENT-REQUIRED header is longer than ${HEADER_MAX} characters`)
  const value = parseJson(fromBase64(header))
  if (!isRecord(value)) throw bad('its PAYMENT-REQUIRED header is not an object of JSON in base64')
  const version = value['x402Version']
  if (typeof version === 'number' && version > 2) {
    throw new RillError('unsupported', `nothing was paid: the server speaks x402 version ${version}, this program version 2`)
  }
  if (version !== 2 || !Array.isArray(value['accepts'])) throw bad('its PAYMENT-REQUIRED header is not an x402 version 2 challenge')
  return {
    error: typeof value['error'] === 'string' ? value['error'] : null,
    resource: value['resource'] ?? null,
    accepts: value['accepts'].filter(isRecord),
  }
}

/**
 * Checks every offer that is made in our way of paying: network, asset, invoice signature, request, amount, expiry.
 * What falls does so alone; the others still count.
 */
export async function checkOffers(
  challenge: Challenge,
  expected: Hex,
  provider: Pick<PaymentProvider, 'network' | 'verify'>,
  nowSeconds: number,
): Promise<{ readonly offers: readonly Offer[]; readonly fallen: readonly RillError[] }> {
  const offers: Offer[] = []
  const fallen: RillError[] = []
  const ours = challenge.accepts.filter(isOurs)
  if (ours.length === 0) fallen.push(new RillError('unsupported', 'the server does not take payments over the payment network'))
  if (ours.length > OFFERS_MAX) fallen.push(bad(`it makes more than ${OFFERS_MAX} offers; the rest was not looked at`))
  for (const entry of ours.slice(0, OFFERS_MAX)) {
    try {
      offers.push(await checkOffer(challenge.resource, requirements(entry), expected, provider, nowSeconds))
    } catch (thrown) {
      if (!(thrown instanceof RillError)) throw thrown
      fallen.push(thrown)
    }
  }
  return { offers, fallen }
}

async function checkOffer(
  resource: unknown,
  accepted: Requirements,
  expected: Hex,
  provider: Pick<PaymentProvider, 'network' | 'verify'>,
  nowSeconds: number,
): Promise<Offer> {
  const { extra } = accepted
  if (accepted.network !== provider.network) {
    throw new RillError('wrong_network', `the server wants to be paid on ${accepted.network}, this node is on ${provider.network}`)
  }
  const bytes = fromBase64(extra['invoice'])
  const signature = extra['invoiceSignature']
  const invoice = parseJson(bytes)
  if (bytes === null || !isRecord(invoice)) throw bad('it holds no invoice')
  if (typeof invoice['v'] === 'number' && invoice['v'] > 1) {
    throw new RillError('unsupported', `its invoice is of version ${invoice['v']}, this program knows version 1`)
  }
  if (invoice['v'] !== 1) throw bad('it holds no invoice of version 1')

  const nodeKey = invoice['nodeKey']
  if (fromHex(nodeKey, 32) === null || typeof nodeKey !== 'string') throw bad('its invoice names no node key')
  if (nodeKey !== extra['nodeKey']) throw bad('its invoice names another node key than its offer')
  const digest = await signedDigest('rill:invoice:v1', bytes)
  if (fromHex(signature, 64) === null || typeof signature !== 'string' || !provider.verify(nodeKey, digest, signature)) {
    throw bad('the signature of its invoice is wrong')
  }

  const { id, expiry, asset } = invoice
  if (fromHex(id, 32) === null || typeof id !== 'string') throw bad('its invoice has no id of 32 bytes')
  if (asset !== 'TON' || accepted.asset !== 'TON') {
    throw new RillError('unsupported', `the server wants to be paid in ${accepted.asset}; this node pays in TON only`)
  }
  const amount = nano(invoice['amount'])
  if (amount === null) throw bad('the amount of its invoice is not a number of nano in decimal digits')
  if (amount === 0n) throw bad('its invoice is over nothing')
  if (invoice['amount'] !== accepted.amount) {
    throw bad(`its invoice is over ${amount} nano, its offer names ${JSON.stringify(accepted.amount.slice(0, 40))}`)
  }
  if (invoice['requestHash'] !== expected) throw bad('its invoice is for another request than this one')
  if (typeof expiry !== 'number' || !Number.isSafeInteger(expiry)) throw bad('its invoice has no expiry')
  if (expiry <= nowSeconds) {
    throw new RillError('expired', `its invoice expired ${nowSeconds - expiry} s ago; ask again, or check the clock`, { retry: 'new' })
  }
  const routes = invoice['routes']
  if (!Array.isArray(routes) || routes.length > ROUTES_MAX) throw bad('its invoice has no list of routes')
  return { id, nodeKey, amount, expiry, relays: relays(routes), requestHash: expected, resource, accepted }
}

/** A route that is malformed is no way to pay; the others are. */
function relays(routes: readonly unknown[]): Relay[] {
  const read = routes.flatMap((route) => {
    const relay = isRecord(route) ? route['relay'] : null
    const fee = isRecord(route) ? nano(route['fee']) : null
    return fromHex(relay, 32) === null || typeof relay !== 'string' || fee === null ? [] : [{ node: relay, fee }]
  })
  if (read.length === 0 && routes.length > 0) throw bad('no route of its invoice names a relay and its fee in decimal digits')
  return read
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

/** In our way of paying, whether or not the rest of it is in order. */
function isOurs(entry: Record<string, unknown>): boolean {
  const { extra } = entry
  return entry['scheme'] === 'exact' && isRecord(extra) && extra['assetTransferMethod'] === 'payment-network'
}

function requirements(entry: Record<string, unknown>): Requirements {
  for (const name of ['network', 'amount', 'asset', 'payTo']) {
    if (typeof entry[name] !== 'string') throw bad(`its offer has no text as \`${name}\``)
  }
  return entry as unknown as Requirements
}

function bad(reason: string): RillError {
  return new RillError('bad_challenge', `nothing was paid: the server's demand cannot be trusted, ${reason}`)
}

/** Proxies cut headers off long before this. */
const HEADER_MAX = 65_536
const OFFERS_MAX = 16
const ROUTES_MAX = 16
