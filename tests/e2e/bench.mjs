// Latency of payments as a page sees it, for `cargo xtask bench`: buys the same article many times over one channel.
//
// Prints lines of JSON as demo.mjs does; the last one is the list of figures. Started with one argument:
// { page, chromium, deposit }.

import { Visitor, launch } from './visitor.mjs'

const WARM_UP = 10
const PAYMENTS = 60

const order = JSON.parse(process.argv[2])
const tell = (line) => console.log(JSON.stringify(line))

const browser = await launch(order.chromium)
try {
  const visitor = await Visitor.arrive(browser, order.page)
  const tab = await visitor.open()
  await tab.ready()
  await tab.getCoins()
  await tab.openChannel(order.deposit)
  tell({ step: `${WARM_UP + PAYMENTS} payments, one after the other` })
  for (let n = 1; n <= WARM_UP + PAYMENTS; n++) {
    await tab.buy()
    await tab.until(({ payments }) => payments.length === n && payments.every(({ state }) => state === 'settled'))
  }
  const { payments } = await tab.snapshot()
  const times = payments
    .slice(0, PAYMENTS)
    .map(({ started, finished }) => Number(finished) - Number(started))
    .sort((a, b) => a - b)
  const at = (percent) => times[Math.floor((times.length - 1) * percent / 100)]
  tell([
    { name: 'payment in Chromium, order to proof, p50', value: at(50), unit: 'ms' },
    { name: 'payment in Chromium, order to proof, p99', value: at(99), unit: 'ms' },
  ])
} finally {
  await browser.close()
}
