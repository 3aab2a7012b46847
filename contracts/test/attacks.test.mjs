// Every known attack, against the contract and against the contract without the rule that stops it (see lib/attacks).
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileChanged } from '../scripts/compile.mjs'
import { attacks } from './lib/attacks.mjs'
import { Channel } from './lib/channel.mjs'
import { openJettonChannel } from './lib/jetton.mjs'
import { cheaperConfig } from './lib/world.mjs'

const cheaper = cheaperConfig(6n)

const openers = code => ({
  cheaper,
  create: options => Channel.create({ code, ...options }),
  open: options => Channel.opened({ code, ...options }),
  openJetton: options => openJettonChannel({ code, ...options }),
})

for (const { rule, name, without, run } of attacks) {
  test(`${rule} stops it: ${name}`, async () => {
    assert.equal(await run(openers(undefined)), false, 'the attack has succeeded')
    const unruled = await compileChanged(without)
    assert.equal(await run(openers(unruled)), true, 'the attack fails without the rule, too: it is not the rule that stops it')
  })
}
