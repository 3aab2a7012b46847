// What a server's answer to a proof is worth. Only a refusal that the merchant's node has signed, for that very proof,
// ends a payment: anybody on the way can write a status or a header, and a cache may answer without having asked.

import { fromBase64, fromHex, parseJson, sha256, toHex, utf8 } from './bytes.js'
import { isRecord, readChallenge, signedDigest } from './challenge.js'
import type { Attempt } from './attempt.js'
import type { PaymentProvider } from './types.js'

export interface Refusal {
  /** The server's word, e.g. `duplicate_settlement`. */
  readonly code: string
  /** By the node that was paid. */
  readonly signed: boolean
}

/** The merchant has not seen the payment yet: not a refusal, whoever says so. */
export const NOT_FINAL = 'invalid_exact_tvm_not_final'

/** The refusal in an answer to `proof`, the value of `PAYMENT-SIGNATURE`; null if the answer names none. */
export async function readRefusal(
  response: Response,
  attempt: Attempt,
  proof: string,
  provider: Pick<PaymentProvider, 'verify'>,
): Promise<Refusal | null> {
  const receipt = parseJson(fromBase64(response.headers.get('PAYMENT-RESPONSE')))
  if (isRecord(receipt) && receipt['success'] === false) {
    const signed = isRecord(receipt['extra']) ? await signedCode(receipt['extra'], attempt, proof, provider) : null
    if (signed !== null) return { code: signed, signed: true }
    if (isRefusalCode(receipt['errorReason'])) return { code: receipt['errorReason'], signed: false }
  }
  const word = errorOf(response.headers.get('PAYMENT-REQUIRED'))
  return isRefusalCode(word) ? { code: word, signed: false } : null
}

/** `extra.refusal` is JSON in base64, `{v, invoiceId, proof, code}`; `extra.refusalSignature` is over its bytes. */
async function signedCode(
  extra: Record<string, unknown>,
  attempt: Attempt,
  proof: string,
  provider: Pick<PaymentProvider, 'verify'>,
): Promise<string | null> {
  const bytes = fromBase64(extra['refusal'])
  const said = parseJson(bytes)
  const signature = extra['refusalSignature']
  const merchant = attempt.accepted.extra['nodeKey']
  if (bytes === null || !isRecord(said) || said['v'] !== 1 || typeof said['code'] !== 'string') return null
  if (said['invoiceId'] !== attempt.id || said['proof'] !== toHex(await sha256(utf8(proof)))) return null
  if (typeof signature !== 'string' || fromHex(signature, 64) === null || typeof merchant !== 'string') return null
  const digest = await signedDigest('rill:refusal:v1', bytes)
  return provider.verify(merchant, digest, signature) ? said['code'] : null
}

function errorOf(header: string | null): string | null {
  try {
    return header === null ? null : readChallenge(header).error
  } catch {
    return null
  }
}

/** A word of x402 or of its family for this network; other texts are for people. */
function isRefusalCode(word: unknown): word is string {
  return typeof word === 'string' && /^[a-z][a-z0-9]*(_[a-z0-9]+)+$/.test(word)
}
