// A visitor of the demo page: a headless Chromium, and what a person does and sees there.

import axe from 'axe-core'
import { chromium } from 'playwright-core'

const FLAGS = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']

/** Longest wait for anything on the page; only a fault lasts so long. */
export const PATIENCE = 60_000

/** Starts a browser. Root needs `--no-sandbox`, others keep the sandbox. */
export function launch(executablePath) {
  const args = process.getuid() === 0 ? ['--no-sandbox', ...FLAGS] : FLAGS
  return chromium.launch({ executablePath, headless: true, args })
}

/** One browser profile: its pages share a database, profiles share nothing. */
export class Visitor {
  constructor(context, url) {
    this.context = context
    this.url = url
  }

  static async arrive(browser, url) {
    const context = await browser.newContext({ viewport: { width: 1000, height: 1250 } })
    context.setDefaultTimeout(PATIENCE)
    return new Visitor(context, url)
  }

  /** Opens the page in a tab of its own. `demo` changes what the page is told of the demo; null: there is none. */
  async open(demo = {}) {
    const tab = new Tab(await this.context.newPage())
    if (demo === null) await tab.page.route('**/demo.json', (route) => route.fulfill({ status: 404 }))
    else if (Object.keys(demo).length > 0) {
      await tab.page.route('**/demo.json', async (route) => {
        const told = await (await route.fetch()).json()
        await route.fulfill({ json: { ...told, ...demo } })
      })
    }
    await tab.page.goto(this.url)
    return tab
  }

  leave() {
    return this.context.close()
  }
}

/** One tab with the page. */
export class Tab {
  constructor(page) {
    this.page = page
    this.faults = []
    page.on('pageerror', (error) => this.faults.push(String(error)))
  }

  part(name) {
    return this.page.getByTestId(name)
  }

  /** Waits until an element carries this value in a data attribute, on display or folded away. */
  is(name, attribute, value) {
    return this.page.locator(`[data-testid="${name}"][data-${attribute}="${value}"]`).waitFor({ state: 'attached' })
  }

  /** The node runs and sees relay and chain. */
  async ready() {
    await this.is('phase', 'phase', 'ready')
    await this.is('relay', 'state', 'online')
    await this.is('chain', 'state', 'online')
  }

  async nano(name) {
    return BigInt((await this.part(name).getAttribute('data-nano')) || '0')
  }

  /** Waits until an amount on the page fits. */
  async amount(name, fits) {
    const end = Date.now() + PATIENCE
    for (;;) {
      const now = await this.nano(name)
      if (fits(now)) return now
      if (Date.now() > end) throw new Error(`${name} is still ${now}; the page says: ${await this.complaint()}`)
      await this.page.waitForTimeout(20)
    }
  }

  /** Closes whatever sheet lies over the page. */
  async dismiss() {
    while (await this.page.locator('dialog[open]').count()) await this.page.keyboard.press('Escape')
  }

  async getCoins() {
    const before = await this.nano('wallet-balance')
    await this.part('get-coins').click()
    return this.amount('wallet-balance', (now) => now > before)
  }

  /** Asks for a channel, or for more in it, and does not wait. Deposit in TON. */
  async askForChannel(deposit) {
    await this.dismiss()
    const opens = (await this.part('top-up').isEnabled()) ? 'top-up' : 'start-channel'
    await this.part(opens).click()
    await this.part('deposit').fill(String(deposit))
    await this.part('open-channel').click()
  }

  /** Opens the channel, or tops it up, and waits until it can pay. Deposit in TON. */
  async openChannel(deposit) {
    const before = await this.nano('channel-balance')
    await this.askForChannel(deposit)
    await this.unlessError(this.is('channel-phase', 'phase', 'open'))
    await this.unlessError(this.page.locator('dialog[open]').waitFor({ state: 'detached' }))
    return this.amount('channel-balance', (now) => now > before)
  }

  /** Shows the form with passphrase and invitation, which is folded away while the wallet is open. */
  async settings() {
    if (await this.part('unlock').isVisible()) return
    await this.dismiss()
    await this.page.locator('#developer > summary').click()
  }

  async buy(article = 1) {
    await this.dismiss()
    await this.page.locator(`[data-testid="buy-${article}"]:not([aria-busy]):enabled`).click()
  }

  /** What was delivered; fails with the page's words if that is an error. */
  async result() {
    const result = this.part('result')
    await this.unlessError(result.waitFor())
    return { text: await result.innerText(), payment: await result.getAttribute('data-payment') }
  }

  /** Waits for something, and fails at once when the page shows an error instead. */
  async unlessError(expected) {
    const complains = this.part('error').waitFor().then(() => true, () => false)
    if (await Promise.race([complains, expected.then(() => false)])) throw new Error(`the page says: ${await this.complaint()}`)
    await expected
  }

  /** Waits for an error message, which must have this code, and gives its words. */
  async error(code) {
    const error = this.part('error')
    await error.waitFor()
    const words = await error.innerText()
    const found = await error.getAttribute('data-code')
    if (found !== code) throw new Error(`error ${found} instead of ${code}: ${words}`)
    return words
  }

  /** The error that is shown, for messages of failed waits. */
  async complaint() {
    const shown = await this.part('error').isVisible()
    return shown ? this.part('error').innerText() : 'nothing'
  }

  /** What axe finds wrong with what is shown now, as short lines. */
  async barriers() {
    await this.page.evaluate(axe.source)
    const { violations } = await this.page.evaluate(() => globalThis.axe.run(document))
    return violations.flatMap(({ id, nodes }) => nodes.map(({ target, any, all }) => `${id}: ${target} (${[...any, ...all].map(({ message }) => message).join('; ')})`))
  }

  snapshot() {
    return this.page.evaluate(() => globalThis.rill.node.snapshot())
  }

  /** Waits until the node's own picture of itself fits. */
  async until(fits) {
    const end = Date.now() + PATIENCE
    for (;;) {
      const now = await this.snapshot()
      if (fits(now)) return now
      if (Date.now() > end) throw new Error(`the node stays at ${JSON.stringify(now)}; the page says: ${await this.complaint()}`)
      await this.page.waitForTimeout(20)
    }
  }

  close() {
    return this.page.close()
  }
}
