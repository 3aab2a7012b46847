// The demo page: a wallet that gets coins, opens a channel, and buys. It uses the package as any page would.

import { formatTon } from 'rill-ton'
import type { NodeEvent } from 'rill-ton'

import { clear, warn } from './advice.js'
import { wireChannel } from './channel.js'
import { byId, make, part, say } from './dom.js'
import { network, page } from './page.js'
import type { Demo } from './page.js'
import { buy, follow } from './pay.js'
import type { Article } from './pay.js'
import { wireReceive } from './receive.js'
import { wireSend } from './send.js'
import { draw, enable, forget, heard, log } from './status.js'
import { showForm, unlockNow, wireUnlock } from './unlock.js'

async function start(): Promise<void> {
  wireUnlock(happened)
  wireChannel()
  wireReceive()
  wireSend()
  byId<HTMLFormElement>('limits').addEventListener('submit', (event) => event.preventDefault())
  for (const sheet of document.querySelectorAll('dialog')) wireSheet(sheet)
  forget()
  const found = await fetch('/demo.json').catch(() => null)
  if (!found?.ok) return showForm()
  page.demo = (await found.json()) as Demo
  say(byId('network'), network() === 'tvm:-239' ? 'Main network' : 'Test network')
  part<HTMLInputElement>('passphrase').value = page.demo.passphrase
  part<HTMLTextAreaElement>('invitation').value = page.demo.invitation
  void shelf(page.demo)
  await unlockNow(happened)
}

/** A sheet closes by its button, by Escape, and by a touch beside it; what it had to say is over then. */
function wireSheet(sheet: HTMLDialogElement): void {
  for (const close of sheet.querySelectorAll('[data-close]')) close.addEventListener('click', () => sheet.close())
  sheet.addEventListener('click', (event) => {
    if (event.target === sheet) sheet.close()
  })
  sheet.addEventListener('close', () => {
    if (sheet.contains(byId('error'))) clear()
  })
}

function happened(event: NodeEvent): void {
  log(event)
  heard(event)
  follow(event)
  if (event.type === 'trouble') warn(event.reason)
  void draw()
}

/** Fetches the list of articles, again and again while the shop is away. */
async function shelf(demo: Demo): Promise<void> {
  for (;;) {
    try {
      const answer = await fetch(demo.shop, { headers: { accept: 'application/json' } })
      const { articles } = (await answer.json()) as { articles: Article[] }
      byId('shelf').replaceChildren(...articles.map(offer))
      return enable()
    } catch {
      byId('shelf').replaceChildren(make('li', 'The shop cannot be reached. Trying again.', 'soft'))
      await new Promise((wake) => setTimeout(wake, 2_000))
    }
  }
}

function offer(article: Article, index: number): HTMLElement {
  const item = document.createElement('li')
  const price = formatTon(article.price ?? '0')
  const button = document.createElement('button')
  button.type = 'button'
  button.dataset['testid'] = `buy-${index + 1}`
  button.append(price, make('span', ` for “${article.title}”`, 'unseen'))
  button.disabled = true
  button.addEventListener('click', () => void buy(article, button))
  item.append(make('span', article.title), button)
  return item
}

void start()
