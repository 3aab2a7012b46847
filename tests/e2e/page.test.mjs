// The page on bad days: each gives a clear message or goes on by itself, and no money is lost or paid twice.
//
// `cargo xtask test` starts the demo and these tests with RILL_PAGE, its address, and RILL_CHROMIUM.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, afterEach, before, beforeEach, test } from 'node:test'

import decodeQR from '../../web/node_modules/qr/decode.js'
import { Visitor, launch } from './visitor.mjs'

const { RILL_PAGE, RILL_CHROMIUM } = process.env
const TON = 1_000_000_000n

let browser, visitor, price

before(async () => {
  assert.ok(RILL_PAGE && RILL_CHROMIUM, 'run `cargo xtask test`: it starts the demo that these tests visit')
  browser = await launch(RILL_CHROMIUM)
  const demo = await (await fetch(`${RILL_PAGE}demo.json`)).json()
  const shelf = await (await fetch(demo.shop, { headers: { accept: 'application/json' } })).json()
  price = BigInt(shelf.articles[0].price)
})
beforeEach(async () => {
  visitor = await Visitor.arrive(browser, RILL_PAGE)
})
afterEach(() => visitor.leave())
after(() => browser.close())

/** Stops or starts a part of the demo as a power cut would. */
async function stage(part, action) {
  const answer = await fetch(`${RILL_PAGE}stage/${part}/${action}`, { method: 'POST' })
  assert.ok(answer.ok, await answer.text())
}

/** Does something while a part is stopped. */
async function without(part, work) {
  await stage(part, 'stop')
  try {
    await work()
  } finally {
    await stage(part, 'start')
  }
}

/** A visitor who can pay. */
async function funded(deposit = 1) {
  const tab = await visitor.open()
  await tab.ready()
  await tab.getCoins()
  await tab.openChannel(deposit)
  return tab
}

const total = (payments) => payments.reduce((sum, one) => sum + BigInt(one.amount) + BigInt(one.fee), 0n)
const quiet = ({ channels, payments }) =>
  channels.every((one) => one.conditionals === 0) && payments.every((one) => one.state === 'settled' || one.state === 'failed')

/** Every nano of the deposit is either still there or in a settled payment. */
function accounted({ channels, payments }) {
  const [channel] = channels
  const settled = total(payments.filter((one) => one.state === 'settled'))
  assert.equal(BigInt(channel.balance), BigInt(channel.deposited) - settled)
  assert.equal(BigInt(channel.sent), settled)
  return settled
}

test('a wrong invitation is explained, and the right one works after it', async () => {
  const tab = await visitor.open()
  await tab.ready()
  const right = await tab.part('invitation').inputValue()
  await tab.settings()
  for (const wrong of ['https://example.org', 'rill://nonsense', right.slice(0, 40)]) {
    await tab.part('invitation').fill(wrong)
    await tab.part('unlock').click()
    assert.match(await tab.error('bad_request'), /invitation/)
  }
  await tab.part('invitation').fill(right)
  await tab.part('unlock').click()
  await tab.ready()
  assert.deepEqual(tab.faults, [])
})

test('a relay that is not who the invitation says is not spoken to', async () => {
  const { invitation } = await (await fetch(`${RILL_PAGE}demo.json`)).json()
  const tab = await visitor.open({ invitation: invitation.replace(/adnl=[0-9a-f]{64}/, `adnl=${'58'.repeat(31)}66`) })
  await tab.is('chain', 'state', 'online')
  await tab.is('relay', 'state', 'offline')
  assert.deepEqual((await tab.snapshot()).channels, [])
})

test('a wrong passphrase changes nothing, and the right one opens the same wallet', async () => {
  const first = await visitor.open()
  await first.ready()
  const { wallet } = await first.snapshot()
  await first.close()

  const tab = await visitor.open({ passphrase: 'not the one' })
  await tab.error('wrong_passphrase')
  await tab.part('passphrase').fill('demo')
  await tab.part('unlock').click()
  await tab.ready()
  assert.equal((await tab.snapshot()).wallet.address, wallet.address)
})

test('a reload keeps keys, channel and balances', async () => {
  const tab = await funded()
  await tab.buy()
  await tab.result()
  const before = await tab.until(quiet)
  await tab.page.reload()
  await tab.ready()
  const now = await tab.until(({ channels }) => channels[0]?.online)
  assert.equal(now.wallet.address, before.wallet.address)
  assert.equal(now.channels[0].balance, before.channels[0].balance)
  assert.equal(now.channels[0].seqno, before.channels[0].seqno)
  assert.deepEqual(now.payments, before.payments)
})

test('a second tab says that the node runs elsewhere, and takes over when the first is gone', async () => {
  const first = await visitor.open()
  await first.ready()
  const { wallet } = await first.snapshot()
  const second = await visitor.open()
  assert.match(await second.error('not_leader'), /another tab/)
  await first.close()
  await second.part('unlock').click()
  await second.ready()
  assert.equal((await second.snapshot()).wallet.address, wallet.address)
})

test('a channel that is too small for the price is not used, and works after a top-up', async () => {
  const tab = await funded('0.05')
  assert.ok(price > TON / 20n)
  await tab.buy()
  assert.match(await tab.error('insufficient_capacity'), /Top up the channel/)
  const { channels, payments } = await tab.snapshot()
  assert.deepEqual(payments, [])
  assert.equal(channels[0].locked, '0')
  await tab.openChannel(1)
  await tab.amount('channel-balance', (now) => now >= TON)
  await tab.buy()
  await tab.result()
  accounted(await tab.until(quiet))
})

test('what is spent cannot be spent again', async () => {
  const tab = await funded('0.15')
  assert.ok(price > TON * 3n / 40n)
  await tab.buy(1)
  await tab.result()
  await tab.buy(2)
  await tab.error('insufficient_balance')
  const now = await tab.until(quiet)
  assert.equal(now.payments.length, 1)
  accounted(now)
})

/** Sends coins to an account, as the demo's faucet does. */
async function send(account, nano) {
  const { faucet } = await (await fetch(`${RILL_PAGE}demo.json`)).json()
  const body = JSON.stringify({ address: account, amount: String(nano) })
  const answer = await fetch(faucet, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  assert.ok(answer.ok, await answer.text())
}

test('the lines of the README work as they are printed', async () => {
  const { invitation, shop } = await (await fetch(`${RILL_PAGE}demo.json`)).json()
  const { articles } = await (await fetch(shop, { headers: { accept: 'application/json' } })).json()
  const readme = readFileSync(new URL('../../web/README.md', import.meta.url), 'utf8')
  const lines = /```ts\n([\s\S]*?)```/.exec(readme)[1]
    .replace(/^import (.*) from 'rill-ton'$/m, "const $1 = await import('/rill-ton/index.js')")
    .replace('rill://…', invitation)
    .replace('https://news.example/article/1', articles[0].url)
  const page = await visitor.context.newPage()
  page.on('console', async (said) => {
    const [words, address] = await Promise.all(said.args().map((value) => value.jsonValue()))
    if (words !== 'send test coins to') return
    const { account } = await page.evaluate(async (text) => (await import('/rill-ton/index.js')).readAddress(text), address)
    await send(account, 11n * TON)
  })
  await page.goto(`${RILL_PAGE}demo.json`)
  const text = await page.evaluate(`(async () => { const passphrase = 'mine'; ${lines}; return article.text() })()`)
  assert.ok(text.length > 100)
})

test('the coins that an error asks for are exactly what opening takes', async () => {
  const tab = await visitor.open()
  await tab.ready()
  const ask = () =>
    tab.page.evaluate(async () => {
      const { node } = globalThis.rill
      const { channel, code, missing } = await node.openChannel(node.relay, 1_000_000_000n).then(
        (channel) => ({ channel }),
        ({ code, missing }) => ({ code, missing }),
      )
      return { channel, code, missing, account: (await node.snapshot()).wallet.address }
    })
  const balance = (nano) => tab.page.evaluate((nano) => globalThis.rill.node.waitForCoins(nano), String(nano))

  const first = await ask()
  assert.equal(first.code, 'insufficient_balance')
  const needed = BigInt(first.missing.amount)
  await send(first.account, needed - 1n)
  await balance(needed - 1n)
  assert.deepEqual((await ask()).missing, { ...first.missing, amount: '1' })
  await send(first.account, 1n)
  await balance(needed)
  const { channel } = await ask()
  assert.equal(channel.phase, 'open')
  assert.equal(channel.deposited, String(TON))
})

test('a page that opens its node twice has one, and lets it go with the last', async () => {
  const tab = await visitor.open()
  await tab.ready()
  const { invitation, passphrase } = await (await fetch(`${RILL_PAGE}demo.json`)).json()
  const seen = await tab.page.evaluate(async (options) => {
    const { openNode } = await import('/rill-ton/index.js')
    const codeOf = (asked) => asked.then(() => 'none', ({ code, moneyMayHaveMoved }) => `${code} ${moneyMayHaveMoved}`)
    const [again, more] = await Promise.all([openNode(options), openNode(options)])
    const { node } = globalThis.rill
    const same = [again, more].every(({ session }) => session === node.session)
    const wrong = await codeOf(openNode({ ...options, passphrase: 'wrong' }))
    await node.close()
    await again.close()
    const alive = (await more.snapshot()).node.length
    await more.close()
    const fresh = await openNode(options)
    const anew = fresh.session !== node.session
    await fresh.close()
    return { same, wrong, alive, anew }
  }, { invitation, passphrase })
  assert.deepEqual(seen, { same: true, wrong: 'wrong_passphrase false', alive: 64, anew: true })
})

test('a deposit larger than the wallet is refused with the numbers', async () => {
  const tab = await visitor.open()
  await tab.ready()
  await tab.getCoins()
  await tab.askForChannel(1_000_000)
  assert.match(await tab.error('insufficient_balance'), /1000000\.58 TON are needed.*999985\.58 TON or more to 0Q/s)
})

test('a relay that goes down is shown, and the page goes on when it is back', async () => {
  const tab = await funded()
  await without('relay', async () => {
    await tab.is('relay', 'state', 'offline')
    await tab.buy()
    await tab.part('error').waitFor()
  })
  await tab.is('relay', 'state', 'online')
  await tab.until(({ channels }) => channels[0].online)
  await tab.buy()
  await tab.result()
  accounted(await tab.until(quiet))
})

test('without the liteserver proxy the page says that it does not see the chain', async () => {
  const { invitation } = await (await fetch(`${RILL_PAGE}demo.json`)).json()
  const nowhere = encodeURIComponent('ws://127.0.0.1:9/lite')
  const tab = await visitor.open({ invitation: invitation.replace(/proxy=[^&]*/, `proxy=${nowhere}`) })
  await tab.is('relay', 'state', 'online')
  await tab.is('chain', 'state', 'offline')
  assert.match(await tab.part('chain').textContent(), /not connected, trying again/)
})

test('a merchant that is offline is not paid twice when it is back', async () => {
  const tab = await funded()
  await without('merchant', async () => {
    await tab.buy()
    await tab.part('error').waitFor()
  })
  await tab.buy()
  await tab.result()
  const settled = accounted(await tab.until(quiet))
  assert.ok(settled >= price && settled < 2n * price, `${settled} paid for one article of ${price}`)
})

test('a shop that is down costs nothing', async () => {
  const tab = await funded()
  await without('shop', async () => {
    await tab.buy()
    assert.match(await tab.error('disconnected'), /shop cannot be reached/)
  })
  assert.equal(accounted(await tab.until(quiet)), 0n)
})

test('a new wallet is said to be new, and wants a good passphrase twice', async () => {
  const { invitation } = await (await fetch(`${RILL_PAGE}demo.json`)).json()
  const tab = await visitor.open(null)
  const title = tab.page.locator('#unlock-title')
  const press = async (passphrase, repeat) => {
    await tab.part('passphrase').fill(passphrase)
    await tab.part('repeat').fill(repeat)
    await tab.part('unlock').click()
  }
  await tab.page.getByText('There is no wallet in this browser yet').waitFor()
  assert.equal(await title.textContent(), 'Make a new wallet')
  await tab.part('invitation').fill(`> ${invitation.slice(0, 70)}\n> ${invitation.slice(70).replace(/&/g, '&amp;')}.`)
  await press('password1', 'password1')
  assert.match(await tab.error('bad_request'), /too weak/)
  const good = 'viele kleine boote fahren'
  await press(good, good.toUpperCase())
  assert.match(await tab.error('bad_request'), /the two are not the same/)
  await press(good, good)
  await tab.ready()
  const { wallet } = await tab.snapshot()
  await tab.page.reload()
  await tab.page.getByText('Its keys lie encrypted in this browser').first().waitFor()
  assert.equal(await title.textContent(), 'Open your wallet')
  assert.equal(await tab.part('repeat').isVisible(), false)
  await tab.part('passphrase').fill(good)
  await tab.part('invitation').fill(invitation)
  await tab.part('unlock').click()
  await tab.ready()
  assert.equal((await tab.snapshot()).wallet.address, wallet.address)
})

test('after a start that failed no light is green', async () => {
  const first = await visitor.open()
  await first.ready()
  await first.settings()
  await first.part('passphrase').fill('not the one')
  await first.part('unlock').click()
  await first.error('wrong_passphrase')
  assert.equal(await first.page.locator('#health').getAttribute('data-mood'), 'waiting')
  assert.equal(await first.part('phase').textContent(), 'Not started')
  await first.is('relay', 'state', 'unknown')
  await first.is('chain', 'state', 'unknown')
  assert.equal(await first.part('receive').isEnabled(), false)
})

test('what goes wrong is on the screen, in the unit that was typed', async () => {
  const tab = await funded()
  await tab.page.setViewportSize({ width: 390, height: 700 })
  await tab.part('limit').fill('0.05')
  await tab.buy(3)
  assert.match(await tab.error('budget_exceeded'), /costs 0\.\d+ TON with fees, the limit is 0\.05 TON/)
  const box = await tab.part('error').boundingBox()
  assert.ok(box.y >= 0 && box.y + box.height <= 700, `the error is at ${box.y}, ${box.height} high`)
})

test('an amount that can be read in two ways is asked about before anything is paid', async () => {
  const tab = await funded()
  await tab.part('limit').fill('1,000')
  await tab.buy()
  assert.match(await tab.error('bad_request'), /1 TON or as 1000 TON/)
  assert.deepEqual((await tab.snapshot()).payments, [])
  await tab.page.getByRole('button', { name: '1 TON', exact: true }).click()
  await tab.result()
  assert.equal(await tab.part('limit').inputValue(), '1')
})

test('while the relay hangs the sheet says what one waits for, and not that it was paid', async () => {
  const tab = await funded()
  await without('relay', async () => {
    await tab.is('relay', 'state', 'offline')
    await tab.page.evaluate(() => {
      const { node } = globalThis.rill
      const pay = node.pay.bind(node)
      node.pay = (order) => new Promise((resolve, fail) => setTimeout(() => pay(order).then(resolve, fail), 4_000))
    })
    await tab.buy()
    await tab.page.locator('[data-testid="pay-progress"]', { hasText: 'The relay is not connected' }).waitFor()
    await tab.part('error').waitFor()
    assert.doesNotMatch(await tab.complaint(), /^Paid/)
  })
})

test('the address can be copied, and scanned', async () => {
  const tab = await visitor.open()
  await visitor.context.grantPermissions(['clipboard-read', 'clipboard-write'])
  await tab.ready()
  await tab.part('receive').click()
  const { wallet } = await tab.snapshot()
  await tab.part('copy-address').click()
  await tab.page.getByText('Copied.').waitFor()
  const copied = await tab.page.evaluate(() => navigator.clipboard.readText())
  const read = await tab.page.evaluate(async (text) => (await import('/rill-ton/index.js')).readAddress(text), copied)
  assert.deepEqual(read, { account: wallet.address, testOnly: true })
  const [size, squares] = await tab.page.locator('#receive-code svg').evaluate((svg) => [svg.viewBox.baseVal.width, svg.firstChild.getAttribute('d')])
  assert.equal(decodeQR(picture(size, squares)), `ton://transfer/${copied}`)
})

/** Squares of a code, as a camera sees them. */
function picture(size, squares) {
  const scale = 6
  const side = size * scale
  const data = new Uint8Array(4 * side * side).fill(255)
  for (const [, x, y] of squares.matchAll(/M(\d+) (\d+)/g)) {
    for (let row = y * scale; row < (+y + 1) * scale; row++) {
      for (let at = x * scale; at < (+x + 1) * scale; at++) data.fill(0, 4 * (row * side + at), 4 * (row * side + at) + 3)
    }
  }
  return { width: side, height: side, data }
}

test('what was bought and sent stands in the activity, with its name and its day', async () => {
  const tab = await funded()
  const { shop } = await (await fetch(`${RILL_PAGE}demo.json`)).json()
  const { articles } = await (await fetch(shop, { headers: { accept: 'application/json' } })).json()
  const demand = await fetch(articles[0].url)
  const { accepts } = JSON.parse(Buffer.from(demand.headers.get('payment-required'), 'base64').toString())
  await tab.buy()
  await tab.result()
  assert.match(await tab.part('paid').innerText(), /^Paid 0\.1001 TON/)
  await tab.dismiss()
  await tab.part('send').click()
  await tab.part('send-to').fill(accepts[0].extra.nodeKey)
  await tab.part('send-amount').fill('0,05')
  await tab.part('send-now').click()
  await tab.unlessError(tab.part('paid').waitFor())
  assert.match(await tab.part('paid').innerText(), /^Sent 0\.05 TON/)
  await tab.dismiss()
  await tab.page.reload()
  await tab.ready()
  await tab.page.locator('[data-testid="payment"]').nth(1).waitFor()
  const [sent, bought] = await tab.page.locator('[data-testid="payment"] summary').allInnerTexts()
  assert.match(sent, /Sent to [0-9a-f]{8}….*Today.*−0\.055 TON/s)
  assert.match(bought, new RegExp(`${articles[0].title}.*Today.*−0\\.1001 TON`, 's'))
  accounted(await tab.until(quiet))
})

for (const colorScheme of ['light', 'dark']) {
  test(`the page has no barriers that axe finds, in the ${colorScheme}`, async () => {
    const tab = await visitor.open()
    await tab.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    await tab.page.setViewportSize({ width: 390, height: 844 })
    const clean = async (state) => assert.deepEqual(await tab.barriers(), [], state)
    await tab.ready()
    await clean('at the start')
    for (const sheet of ['receive', 'send']) {
      await tab.part(sheet).click()
      await clean(`with the sheet to ${sheet}`)
      await tab.dismiss()
    }
    await tab.getCoins()
    await clean('with coins')
    await tab.askForChannel('1,000')
    await clean('with a question')
    await tab.openChannel(1)
    await tab.buy()
    await tab.result()
    await clean('in the moment of success')
    await tab.dismiss()
    await tab.settings()
    await tab.page.locator('#payments summary').first().click()
    await clean('with everything unfolded')
    assert.deepEqual(tab.faults, [])
  })
}

for (const moment of ['reserved', 'locked', 'sent']) {
  test(`a tab closed when the payment is ${moment} pays once or not at all, and delivers after reopening`, async () => {
    const tab = await funded()
    const gone = tab.page.waitForEvent('close')
    await tab.page.exposeFunction('closeNow', () => tab.close())
    await tab.page.evaluate((state) => {
      globalThis.rill.node.on((event) => {
        if (event.type === 'payment' && event.state === state) globalThis.closeNow()
      })
    }, moment)
    await tab.buy().catch(() => {})
    await gone

    const again = await visitor.open()
    await again.ready()
    await again.until(({ channels }) => channels[0]?.online)
    await again.until(quiet)
    await again.buy()
    const { text } = await again.result()
    assert.ok(text.length > 0)
    const settled = accounted(await again.until(quiet))
    assert.ok(settled >= price && settled < 2n * price, `${settled} paid for one article of ${price}`)
  })
}
