// The sheet that sends: to a node, or to a page that costs something.

import { RillError, readAddress, readInvitation } from 'rill-ton'

import { amount, busy } from './act.js'
import { byId, openSheet, part, say } from './dom.js'
import { theNode } from './page.js'
import { buy, give } from './pay.js'

type Target = { readonly type: 'page'; readonly url: string } | { readonly type: 'node'; readonly key: string } | { readonly type: 'none'; readonly reason: string }

export function wireSend(): void {
  byId('send').addEventListener('click', () => {
    part<HTMLTextAreaElement>('send-to').value = ''
    part<HTMLInputElement>('send-amount').value = ''
    showKind()
    openSheet('send-sheet')
  })
  part('send-to').addEventListener('input', showKind)
  byId<HTMLFormElement>('send-form').addEventListener('submit', (event) => {
    event.preventDefault()
    void send()
  })
}

function target(): Target {
  const text = part<HTMLTextAreaElement>('send-to').value.trim()
  if (/^https?:\/\/\S+$/i.test(text)) return { type: 'page', url: text }
  if (/^[0-9a-f]{64}$/i.test(text)) return { type: 'node', key: text.toLowerCase() }
  if (/rill:\/\//i.test(text)) {
    const key = /^rill:\/\/([0-9a-f]{64})@/i.exec(readInvitation(text))?.[1]
    return key === undefined ? none('This invitation names no node key.') : { type: 'node', key: key.toLowerCase() }
  }
  if (readAddress(text) !== null) return none('This is an account of the chain. From here payments go to nodes and to pages that cost something.')
  return none(text === '' ? '' : 'This is no node key, no invitation and no address of a page.')
}

function none(reason: string): Target {
  return { type: 'none', reason }
}

const HINT = 'A node key, an invitation, or the address of a page that costs something.'

function showKind(): void {
  const to = read()
  byId('send-amounts').hidden = to.type === 'page'
  const words = { page: 'A page: it says what it costs, and gets at most your limit.', node: 'A node. It is paid over your relay.', none: '' }
  say(byId('send-kind'), to.type === 'none' ? to.reason || HINT : words[to.type])
}

function read(): Target {
  try {
    return target()
  } catch (thrown) {
    return none(thrown instanceof RillError ? thrown.message : String(thrown))
  }
}

async function send(): Promise<void> {
  const pressed = byId('send-now')
  const to = target()
  if (to.type === 'page') return buy({ url: to.url, title: to.url.replace(/^https?:\/\//i, '') }, pressed)
  const ready: { gift: Parameters<typeof give>[0] | null } = { gift: null }
  await busy(pressed, () => {
    if (to.type === 'none') throw new RillError('bad_request', to.reason || 'say whom it is for')
    const again = () => void send()
    const [value, fee] = [amount('send-amount', again), amount('send-fee', again)]
    const { relay } = theNode()
    const direct = to.key === relay
    const route = direct ? [{ node: relay, fee: 0n }] : [{ node: relay, fee }, { node: to.key, fee: 0n }]
    const id = [...crypto.getRandomValues(new Uint8Array(32))].map((byte) => byte.toString(16).padStart(2, '0')).join('')
    ready.gift = { order: { id, route, amount: value }, total: direct ? value : value + fee }
    return Promise.resolve()
  })
  if (ready.gift !== null && to.type === 'node') await give(ready.gift, `${to.key.slice(0, 8)}…`, pressed)
}
