// README.md says what the source, the tests and the gas script say.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { test } from 'node:test'
import core from '@ton/core'
import sandbox from '@ton/sandbox'
import { attacks } from './lib/attacks.mjs'
import { paramsOf } from './lib/world.mjs'

const folder = new URL('..', import.meta.url)
const read = path => readFileSync(new URL(path, folder), 'utf8')
const readme = read('README.md')
const sources = readdirSync(new URL('src', folder)).map(name => read(`src/${name}`))

/** Cells of the table rows that start with `first`. */
function rows(first) {
  return readme
    .split('\n')
    .filter(line => line.startsWith('| ') && first.test(line))
    .map(line => line.slice(2, -2).split(' | '))
}

/** Nanoton per gas in the config that the figures are by. */
function gasPrice() {
  const config = paramsOf(core.Cell.fromBase64(sandbox.defaultConfig))
  const prices = config.get(21).beginParse()
  prices.skip(8 + 64 + 64 + 8)
  return prices.loadUint(64) / 65536
}

const words = text => text.replace(/\/\/.*/g, '').replace(/\s+/g, ' ').trim()

test('every exit code is explained, and no other', () => {
  const explained = rows(/^\| \d+ \| `ERROR_/).map(([code, name]) => `${name.slice(1, -1)} = ${code}`)
  const thrown = ['src/errors.tolk', 'src/wallet.tolk'].flatMap(path => [...read(path).matchAll(/^const (ERROR_\w+ = \d+)/gm)])
  assert.deepEqual(explained, thrown.map(([, text]) => text))
})

test('every opcode and every tag is there', () => {
  const known = [...read('src/messages.tolk').matchAll(/\b0x([0-9a-f]{8})\b/g)].map(([, hex]) => hex)
  assert.ok(known.length > 20)
  for (const hex of known) assert.ok(readme.includes(`\`${hex}\``) || readme.includes(`#${hex} `), hex)
})

test('the layouts are those in the source', () => {
  const text = words(readme)
  let count = 0
  for (const source of sources) {
    const comments = source.replace(/^\/\/\/ ?/gm, '')
    for (const [, layout] of comments.matchAll(/TL-B: ([\s\S]*?;)/g)) {
      // The wallet's are v3r2's.
      if (/Wallet|Request/.test(layout)) continue
      assert.ok(text.includes(words(layout)), layout)
      count += 1
    }
  }
  assert.ok(count > 8)
})

test('amounts that are counted in gas are those in the source', () => {
  const price = gasPrice()
  const told = rows(/^\| `GAS_/).map(([name, gas, ton]) => [name.slice(1, -1), Number(gas.replaceAll(',', '')), Number(ton)])
  const known = [...read('src/fees.tolk').matchAll(/^const (GAS_\w+) = (\d+)/gm)].map(([, name, gas]) => [name, Number(gas), (Number(gas) * price) / 1e9])
  assert.deepEqual(told, known)
})

test('figures are those that the gas script prints', () => {
  const printed = execFileSync(process.execPath, ['scripts/gas.mjs'], { cwd: folder, encoding: 'utf8' })
  const lines = printed.split('\n').filter(line => line.startsWith('| '))
  assert.ok(lines.length > 30)
  for (const line of lines) assert.ok(readme.includes(`${line}\n`), `README.md should say\n${line}`)
})

test('every attack and every test that is quoted for a rule exists, and no attack is left out', () => {
  const names = readdirSync(new URL('test', folder)).filter(name => name.endsWith('.test.mjs')).flatMap(name =>
    [...read(`test/${name}`).matchAll(/^\s*test\((['`])(.*?)(?<!\\)\1,/gm)].map(([, , title]) => title.replaceAll("\\'", "'")))
  const table = rows(/^\| C\d+ [A-Z]/)
  assert.equal(table.length, 16)
  const priced = rows(/^\| C\d+ \| /).map(([, name]) => name)
  assert.deepEqual(priced.filter(name => !attacks.some(attack => attack.name === name)), [])
  for (const [rule, , quoted] of table) {
    const [id] = rule.split(' ')
    const told = quoted.split('<br>')
    const italic = told.filter(name => name.startsWith('*')).map(name => name.slice(1, -1))
    const played = attacks.filter(attack => attack.rule === id).map(attack => attack.name)
    assert.ok(played.length > 0)
    assert.deepEqual(italic, played)
    for (const name of told) assert.ok(name.startsWith('*') || names.includes(name), `no test "${name}"`)
  }
})
