// One visit for `cargo xtask demo --once`: fund, open a channel, buy an article, take a picture.
//
// Prints a line of JSON for every step and at last one with what the page's node says. Started with one argument:
// { page, chromium, screenshot, deposit }.

import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'

import { Visitor, launch } from './visitor.mjs'

const order = JSON.parse(process.argv[2])
const tell = (line) => console.log(JSON.stringify(line))
const ton = (nano) => `${Number(nano) / 1e9} TON`

async function step(name, work) {
  const begun = performance.now()
  const seen = await work()
  tell({ step: `${name} (${Math.round(performance.now() - begun)} ms)${seen === undefined ? '' : `: ${seen}`}` })
}

const browser = await launch(order.chromium)
let tab
try {
  const visitor = await Visitor.arrive(browser, order.page)
  await step('the node starts in the page', async () => {
    tab = await visitor.open()
    await tab.ready()
  })
  await step('coins from the faucet', async () => ton(await tab.getCoins()))
  await step('channel with the relay, contract on chain', async () => ton(await tab.openChannel(order.deposit)))
  await step('an article is asked for, paid and delivered', async () => {
    await tab.buy()
    return (await tab.result()).text.split('\n').filter((line) => line !== '').slice(0, 2).join(': ')
  })
  await step('the payment is settled', async () => {
    const { payments } = await tab.until(({ payments }) => payments[0]?.state === 'settled')
    return `${payments[0].finished - payments[0].started} ms from order to proof`
  })
  // The coin on the picture travels slower than the real one: take it when it has arrived.
  await tab.page.locator('#path[data-stage="shop"]').waitFor()
  mkdirSync(dirname(order.screenshot), { recursive: true })
  await tab.page.screenshot({ path: order.screenshot })
  const { text, payment } = await tab.result()
  if (tab.faults.length > 0) throw new Error(`the page threw: ${tab.faults.join('; ')}`)
  tell({ delivered: text.length > 0 && payment.length > 0, snapshot: await tab.snapshot() })
} catch (error) {
  if (tab !== undefined) {
    const shown = await tab.complaint().catch(() => 'nothing')
    console.error(`the page shows: ${shown}`)
    for (const fault of tab.faults) console.error(`the page threw: ${fault}`)
    console.error(await tab.page.locator('#log').evaluate((list) => list.textContent).catch(() => ''))
  }
  throw error
} finally {
  await browser.close()
}
