// What tests ask again and again of a receipt or a channel.
import assert from 'node:assert/strict'

export const values = messages => messages.map(message => message.info.value.coins)

export const op = message => message.body.beginParse().loadUint(32)

/** The message is refused with this code, what it brought comes back, and nothing has changed. */
export async function refuses(channel, code, action) {
  const data = channel.world.data(channel.address)?.hash().toString('hex')
  const receipt = await action()
  assert.equal(receipt.exitCode, code)
  assert.equal(channel.world.data(channel.address)?.hash().toString('hex'), data)
  return receipt
}

/** The message is accepted in every phase. */
export async function accepts(action) {
  const receipt = await action()
  assert.equal(receipt.exitCode, 0, `exit code ${receipt.exitCode}`)
  assert.equal(receipt.actionCode ?? 0, 0, `action phase ${receipt.actionCode}`)
  assert.equal(receipt.ok, true)
  return receipt
}
