// The demo page: starts the node, gets coins, opens a channel, buys articles. It uses the package as any page would.

import { RillError, openNode, wrapFetch } from 'rill-ton'
import type { NodeEvent, RillNode } from 'rill-ton'

import { explain, warn } from './advice.js'
import { tons, typed } from './money.js'
import { Path } from './path.js'
import { byId, log, part, say, showSnapshot } from './view.js'

/** What the demo's server tells the page. */
interface Demo {
  readonly invitation: string
  readonly faucet: string
  readonly shop: string
  readonly network: string
  readonly passphrase: string
}

interface Article {
  readonly url: string
  readonly title: string
  readonly price: string
}

const COINS = 15_000_000_000n

const path = new Path(byId('path'), byId('path-caption'))
const page: { demo: Demo | null; node: RillNode | null; drawing: boolean } = { demo: null, node: null, drawing: false }

async function start(): Promise<void> {
  byId<HTMLFormElement>('keys').addEventListener('submit', (event) => act(event, part('unlock'), unlock))
  byId<HTMLFormElement>('open').addEventListener('submit', (event) => act(event, part('open-channel'), openChannel))
  byId<HTMLFormElement>('limits').addEventListener('submit', (event) => event.preventDefault())
  part('get-coins').addEventListener('click', (event) => act(event, part('get-coins'), getCoins))
  const found = await fetch('/demo.json').catch(() => null)
  if (!found?.ok) {
    phase('stopped')
    say(byId('path-caption'), 'Paste an invitation of a relay below to begin.')
    return
  }
  page.demo = (await found.json()) as Demo
  part<HTMLInputElement>('passphrase').value = page.demo.passphrase
  part<HTMLTextAreaElement>('invitation').value = page.demo.invitation
  byId('demo-passphrase').hidden = false
  void shelf()
  await busy(part('unlock'), unlock)
}

/** Opens the node with what stands in the form, after closing the one that runs. */
async function unlock(): Promise<void> {
  const running = page.node
  page.node = null
  enable(false)
  await running?.close()
  const invitation = part<HTMLTextAreaElement>('invitation').value
  const passphrase = part<HTMLInputElement>('passphrase').value
  const network = page.demo?.network ?? 'tvm:-3'
  try {
    page.node = await openNode({ invitation, passphrase, network, onEvent: happened })
  } catch (error) {
    phase('stopped')
    throw error
  }
  Object.assign(globalThis, { rill: { node: page.node } })
  say(byId('unlock'), 'Start again with these')
  enable(true)
  await draw()
}

function happened(event: NodeEvent): void {
  log(event)
  switch (event.type) {
    case 'phase':
      phase(event.phase)
      break
    case 'relay':
      line('relay', event.online, event.online ? 'connected' : `not connected, trying again (${event.reason ?? 'no answer'})`)
      break
    case 'chain':
      line('chain', event.online, event.online ? `block ${event.block ?? ''}` : `not connected, trying again (${event.reason ?? 'no answer'})`)
      break
    case 'payment':
      path.follow(event)
      break
    case 'trouble':
      warn(byId('error'), event.reason)
      break
    default:
  }
  void draw()
}

/** Draws the node's own picture of itself, once per frame at most. */
async function draw(): Promise<void> {
  if (page.drawing || page.node === null) return
  page.drawing = true
  await new Promise((frame) => setTimeout(frame, 16))
  page.drawing = false
  const node = page.node
  if (node === null) return
  try {
    const snapshot = await node.snapshot()
    if (page.node === node) showSnapshot(snapshot, node.relay)
  } catch {
    // Closed meanwhile: the phase says so.
  }
}

async function getCoins(): Promise<void> {
  const { node, demo } = page
  if (node === null || demo === null) return
  const hint = byId('coins-hint')
  const before = (await node.snapshot()).wallet
  say(hint, 'Asking the faucet.')
  const body = JSON.stringify({ address: before.address, amount: COINS.toString() })
  const answer = await fetch(demo.faucet, { method: 'POST', headers: { 'content-type': 'application/json' }, body }).catch(
    (cause: unknown) => {
      throw new RillError('relay_unreachable', `the faucet at ${demo.faucet} cannot be reached`, { retry: 'after', cause })
    },
  )
  if (!answer.ok) throw new RillError('internal', `the faucet says no: ${(await answer.text()).slice(0, 300)}`, { retry: 'after' })
  say(hint, `${tons(COINS)} are on the way; they arrive with the next block.`)
  const stop = node.on((event) => {
    if (event.type !== 'wallet' || event.balance === null || BigInt(event.balance) <= BigInt(before.balance ?? 0)) return
    say(hint, `${tons(COINS)} have arrived.`)
    stop()
  })
}

async function openChannel(): Promise<void> {
  const { node } = page
  if (node === null) return
  await node.openChannel(node.relay, amount('deposit'))
  const kept = await node.kept()
  say(byId('kept'), kept ? 'The browser has promised to keep this page’s data.' : 'The browser may delete this page’s data when space gets short.')
}

/** Fetches the list of articles, again and again while the shop is away. */
async function shelf(): Promise<void> {
  const { demo } = page
  if (demo === null) return
  for (;;) {
    try {
      const answer = await fetch(demo.shop, { headers: { accept: 'application/json' } })
      const { articles } = (await answer.json()) as { articles: Article[] }
      byId('shelf').replaceChildren(...articles.map(offer))
      return enable(page.node !== null)
    } catch {
      byId('shelf').textContent = 'The shop cannot be reached. Trying again.'
      await new Promise((wake) => setTimeout(wake, 2_000))
    }
  }
}

function offer(article: Article, index: number): HTMLElement {
  const item = document.createElement('li')
  const title = document.createElement('span')
  title.textContent = article.title
  const button = document.createElement('button')
  button.type = 'button'
  button.dataset['testid'] = `buy-${index + 1}`
  button.textContent = `Buy for ${tons(article.price)}`
  button.setAttribute('aria-label', `Buy “${article.title}” for ${tons(article.price)}`)
  button.disabled = true
  button.addEventListener('click', (event) => act(event, button, () => buy(article)))
  item.append(title, button)
  return item
}

async function buy(article: Article): Promise<void> {
  const { node } = page
  if (node === null) return
  const paid = { total: 0n, delivered: '', problem: '' }
  const paidFetch = wrapFetch(node, {
    maxAmount: amount('limit'),
    onBeforePayment: (_offer, total) => void (paid.total = total),
    onPayment: (payment) => void (paid.delivered = payment.id),
    onReceipt: ({ problem }) => void (paid.problem = problem ?? ''),
  })
  const begun = performance.now()
  const response = await paidFetch(article.url).catch((error: unknown) => {
    if (error instanceof RillError) throw error
    throw new RillError('disconnected', `the shop cannot be reached at ${article.url}`, { retry: 'after', cause: error })
  })
  const text = await response.text()
  const ms = Math.round(performance.now() - begun)
  if (!response.ok) throw new RillError('internal', `the shop answers with status ${response.status}`, { retry: 'after' })
  showResult(article, text, ms, paid)
  void draw()
}

function showResult(article: Article, text: string, ms: number, paid: { total: bigint; delivered: string; problem: string }): void {
  const result = byId('result')
  const parts = [
    ['h3', article.title],
    ['p', `${response(paid)} Asked, paid and delivered in ${ms} ms.`],
    ['p', text],
    ['p', paid.problem === '' ? '' : `About the receipt: ${paid.problem}.`],
  ] as const
  const elements = parts
    .filter(([, words]) => words !== '')
    .map(([tag, words]) => {
      const element = document.createElement(tag)
      element.textContent = words
      return element
    })
  elements[1]?.classList.add('hint')
  elements[2]?.classList.add('text')
  result.dataset['ms'] = String(ms)
  result.dataset['payment'] = paid.delivered
  result.replaceChildren(...elements)
  result.hidden = false
}

function response(paid: { total: bigint; delivered: string }): string {
  if (paid.delivered === '') return 'Nothing was charged.'
  if (paid.total === 0n) return `Paid for earlier by payment ${paid.delivered.slice(0, 8)}; not charged again.`
  return `Paid ${tons(paid.total)}, fee included, by payment ${paid.delivered.slice(0, 8)}.`
}

function amount(name: string): bigint {
  const field = part<HTMLInputElement>(name)
  const value = typed(field.value)
  field.setAttribute('aria-invalid', String(value === null))
  if (value === null) {
    field.focus()
    throw new RillError('bad_request', `“${field.value}” is not an amount: write TON such as 10 or 0.5`, { retry: 'new' })
  }
  return value
}

function act(event: Event, button: HTMLElement, work: () => Promise<void>): void {
  event.preventDefault()
  void busy(button, work)
}

/** Runs one work of a button; a second press while it runs does nothing. */
async function busy(button: HTMLElement, work: () => Promise<void>): Promise<void> {
  if (button.getAttribute('aria-busy') === 'true') return
  button.setAttribute('aria-busy', 'true')
  clear()
  try {
    await work()
  } catch (thrown) {
    const error = thrown instanceof RillError ? thrown : new RillError('internal', String(thrown), { moneyMayHaveMoved: true, cause: thrown })
    explain(byId('error'), error)
  } finally {
    button.removeAttribute('aria-busy')
  }
}

function clear(): void {
  byId('error').hidden = true
  byId('error').replaceChildren()
  delete byId('error').dataset['code']
}

function enable(on: boolean): void {
  const buttons = document.querySelectorAll<HTMLButtonElement>('#get-coins, #open-channel, #shelf button')
  for (const button of buttons) button.disabled = !on
  if (page.demo === null) byId<HTMLButtonElement>('get-coins').disabled = true
}

function phase(name: string): void {
  part('phase').dataset['phase'] = name
  say(part('phase'), name)
}

function line(name: 'relay' | 'chain', online: boolean, text: string): void {
  part(name).dataset['state'] = online ? 'online' : 'offline'
  say(part(name), text)
}

void start()
