// Every known attack, against the contract and against the contract without the rule that stops it (see lib/attacks).
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
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

test('the README tells of every attack under its rule, and of no test that does not exist', () => {
  const here = new URL('.', import.meta.url)
  const readme = readFileSync(new URL('../README.md', here), 'utf8')
  const sources = readdirSync(here).filter(name => name.endsWith('.test.mjs')).map(name => readFileSync(new URL(name, here), 'utf8')).join('')
  const rows = [...readme.matchAll(/^\| (C\d+) .*\| (.*) \|$/gm)]
  const told = rows.flatMap(([, rule, cell]) => cell.split('<br>').map(text => ({ rule, text })))
  for (const { rule, name } of attacks) {
    assert.ok(told.some(line => line.rule === rule && line.text === `*${name}*`), `${rule}: ${name}`)
  }
  for (const { rule, text } of told) {
    if (text.startsWith('*')) assert.ok(attacks.some(attack => attack.rule === rule && `*${attack.name}*` === text), text)
    else assert.ok(sources.includes(text), text)
  }
})
