// Every known attack, against the contract and against the contract without the rule that stops it (see lib/attacks).
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileChanged } from '../scripts/compile.mjs'
import { attacks, openersOf } from './lib/attacks.mjs'

for (const { rule, name, without, run } of attacks) {
  test(`${rule} stops it: ${name}`, async () => {
    assert.equal(await run(openersOf(undefined)), false, 'the attack has succeeded')
    const unruled = await compileChanged(without)
    assert.equal(await run(openersOf(unruled)), true, 'the attack fails without the rule, too: it is not the rule that stops it')
  })
}
