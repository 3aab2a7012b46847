// What people type and paste: read where it can be read in one way, asked about or explained where it cannot.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { typed } from '../demo/money.js'
import { strength } from '../demo/strength.js'
import { RillError } from '../src/errors.js'
import { readInvitation } from '../src/invitation.js'
import { formatTon } from '../src/ton.js'

const COIN = 1_000_000_000n

void test('an amount is shown exactly, or cut off and never rounded up', () => {
  assert.equal(formatTon(14_507_790_399n), '14.507790399 TON')
  assert.equal(formatTon('14507790399', { decimals: 4 }), '14.5077 TON')
  assert.equal(formatTon(99_999n, { decimals: 4 }), '0 TON')
  assert.equal(formatTon(0n), '0 TON')
  assert.equal(formatTon(10n * COIN, { decimals: 4 }), '10 TON')
})

void test('an amount that can be read in one way is read', () => {
  const amounts: [string, bigint][] = [
    ['1', COIN],
    ['1.5', (3n * COIN) / 2n],
    ['1,5', (3n * COIN) / 2n],
    [' 0,1 ', COIN / 10n],
    ['0.100', COIN / 10n],
    ['0,250', COIN / 4n],
    ['1.0000', COIN],
    ['1.05', (105n * COIN) / 100n],
    ['1000', 1_000n * COIN],
    ['1000.5', (2_001n * COIN) / 2n],
    ['1,000.5', (2_001n * COIN) / 2n],
    ['1.000,5', (2_001n * COIN) / 2n],
    ['1,000,000', 1_000_000n * COIN],
    ['1.000.000', 1_000_000n * COIN],
    ['1 000', 1_000n * COIN],
    ['1 000,5', (2_001n * COIN) / 2n],
    ["1'000", 1_000n * COIN],
    ['1\u00a0000\u202f000', 1_000_000n * COIN],
    ['2 TON', 2n * COIN],
    ['0.000000001', 1n],
    ['1.0000000000', COIN],
  ]
  for (const [text, nano] of amounts) assert.deepEqual(typed(text), { type: 'amount', nano }, text)
})

void test('an amount that can be read in two ways is asked about', () => {
  for (const text of ['1,000', '1.000', '12.345', '999,999', '1.000 TON']) {
    const [whole = '', part = ''] = text.replace(' TON', '').split(/[.,]/)
    const readings = [BigInt(whole) * COIN + BigInt(part) * 1_000_000n, BigInt(whole + part) * COIN]
    assert.deepEqual(typed(text), { type: 'unclear', readings }, text)
  }
})

void test('what is no amount is said so', () => {
  for (const text of ['', ' ', '-1', '1e3', '1..5', '.5', '5.', '1,00,0.5', '1.0.0', '1,000.000,5', '0', '0,0', '1 00', 'ten', '0.0000000001', '9'.repeat(13)]) {
    assert.equal(typed(text).type, 'nothing', text)
  }
})

const GOOD = `rill://${'ab'.repeat(32)}@127.0.0.1:17555?adnl=${'cd'.repeat(32)}&ws=ws://127.0.0.1:8096/adnl%3fx%3d1`

void test('an invitation is read however it was pasted', () => {
  const wrapped = GOOD.replace(/.{60}/g, '$&\n')
  const pasted = [
    GOOD,
    ` ${GOOD}\n`,
    wrapped,
    wrapped.replace(/\n/g, '\r\n'),
    `> ${wrapped.replace(/\n/g, '\n> ')}`,
    `>> ${wrapped.replace(/\n/g, '\n>> ')}`,
    `\ufeff${GOOD}`,
    `${GOOD.slice(0, 50)}\u200b${GOOD.slice(50)}`,
    GOOD.replace('&', '&amp;'),
    `${GOOD}.`,
    `"${GOOD}"`,
    `“${GOOD}”,`,
    `<${GOOD}>`,
    `(${GOOD}).`,
    `\`${GOOD}\``,
    `Here it is: ${GOOD}`,
    `${GOOD}\n${GOOD}`,
    `${GOOD}${GOOD}`,
    `${GOOD} ${GOOD}.`,
    GOOD.replace('rill:', 'RILL:'),
  ]
  for (const text of pasted) assert.equal(readInvitation(text), GOOD, JSON.stringify(text))
})

void test('an invitation that cannot be read is told what is wrong with it', () => {
  const other = GOOD.replace(/ab/g, 'ef')
  const wrong: [string, RegExp][] = [
    ['', /empty/],
    [' \n ', /empty/],
    ['https://relay.example', /starts with rill:\/\//],
    [`${GOOD} ${other}`, /2 different invitations/],
    [`${GOOD} and then some words`, /does not belong there after/],
    [GOOD.replace('127', '１27'), /does not belong there after/],
  ]
  for (const [text, words] of wrong) {
    assert.throws(() => readInvitation(text), (thrown) => thrown instanceof RillError && thrown.code === 'bad_request' && words.test(thrown.message), text)
  }
})

void test('a passphrase is as strong as it is hard to guess', () => {
  const order = ['', 'demo', 'password', 'Password1', 'aaaaaaaaaaaaaaaaaaaaaaaa', 'abcdefghijklmnop', '1234567890123456', 'qwertyqwerty', 'password2024']
  for (const weak of order) assert.ok(strength(weak).score <= 1, `${weak}: ${strength(weak).words}`)
  for (const good of ['correct horse battery staple', 'hB7#kq2!vZx9Lm', 'viele kleine boote fahren morgen', 'x7-Kfm29.qTzw']) {
    assert.ok(strength(good).score >= 3, `${good}: ${strength(good).words}`)
  }
  assert.ok(strength('summer rain').score < strength('summer rain on a tin roof').score)
})
