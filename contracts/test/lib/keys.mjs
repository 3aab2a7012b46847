// Ed25519 keys from readable seeds. Signing goes through node's own implementation, which is independent of the
// emulator's.
import { createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto'

const PKCS8_HEADER = Buffer.from('302e020100300506032b657004220420', 'hex')

/**
 * @typedef {{ public: Buffer, sign: (message: Uint8Array) => Buffer }} Key
 *
 * @param {Buffer} seed 32 bytes
 * @returns {Key}
 */
export function keyFromSeed(seed) {
  const secret = createPrivateKey({ key: Buffer.concat([PKCS8_HEADER, seed]), format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(secret).export({ format: 'der', type: 'spki' })
  return { public: spki.subarray(spki.length - 32), sign: message => sign(null, message, secret) }
}

/** A key that is always the same for the same name. */
export function keyOf(name) {
  return keyFromSeed(createHash('sha256').update(`key of ${name}`).digest())
}
