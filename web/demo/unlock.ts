// Opening the wallet: the stored one by its passphrase, or a new one, of which is said that it is new.

import { RillError, hasWallet, openNode } from 'rill-ton'
import type { NodeEvent } from 'rill-ton'

import { busy } from './act.js'
import { byId, part, say } from './dom.js'
import { network, page } from './page.js'
import { draw, enable, forget } from './status.js'
import { strength } from './strength.js'

const WEAKEST = 2

export function wireUnlock(happened: (event: NodeEvent) => void): void {
  byId<HTMLFormElement>('keys').addEventListener('submit', (event) => {
    event.preventDefault()
    void unlockNow(happened)
  })
  part('passphrase').addEventListener('input', showStrength)
}

export async function unlockNow(happened: (event: NodeEvent) => void): Promise<void> {
  await busy(part('unlock'), () => unlock(happened))
  if (page.node === null) showForm()
}

/** Shows the form where one looks, in words that fit what is stored. */
export function showForm(): void {
  byId('unlock-card').hidden = false
  byId('unlock-card').append(byId('keys-home'))
  void describe()
}

async function describe(): Promise<void> {
  const stored = await isStored()
  const demo = page.demo !== null
  say(byId('unlock-title'), stored ? 'Open your wallet' : 'Make a new wallet')
  say(part('unlock'), page.node !== null ? 'Start again with these' : stored ? 'Open' : 'Make the wallet')
  say(
    byId('unlock-words'),
    stored
      ? 'Its keys lie encrypted in this browser.'
      : `There is no wallet in this browser yet: this makes a new one. ${
          demo ? 'The demo’s own passphrase is filled in; everybody knows it.' : 'Its keys lie encrypted under your passphrase, here and nowhere else. Nobody can recover it for you.'
        }`,
  )
  byId('repeat-line').hidden = stored || isDemo()
  part('passphrase').setAttribute('autocomplete', stored ? 'current-password' : 'new-password')
  showStrength()
}

function isDemo(): boolean {
  return page.demo !== null && part<HTMLInputElement>('passphrase').value === page.demo.passphrase
}

async function isStored(): Promise<boolean> {
  return hasWallet({ network: network() }).catch(() => true)
}

function showStrength(): void {
  const { score, words } = strength(part<HTMLInputElement>('passphrase').value)
  part('strength').dataset['score'] = String(score)
  say(part('strength'), words)
}

/** Opens the node with what stands in the form, after closing the one that runs. */
async function unlock(happened: (event: NodeEvent) => void): Promise<void> {
  const running = page.node
  forget()
  await running?.close()
  const passphrase = part<HTMLInputElement>('passphrase').value
  const fresh = !(await isStored())
  if (fresh && !isDemo()) agree(passphrase)
  try {
    page.node = await openNode({ invitation: part<HTMLTextAreaElement>('invitation').value, passphrase, network: network(), onEvent: happened })
  } catch (error) {
    forget()
    throw error
  }
  Object.assign(globalThis, { rill: { node: page.node } })
  part<HTMLInputElement>('repeat').value = ''
  byId('unlock-card').hidden = true
  byId('keys-away').append(byId('keys-home'))
  await describe()
  enable()
  await draw()
}

/** A new wallet's passphrase is typed twice, and not one that a thief finds at once. */
function agree(passphrase: string): void {
  byId('repeat-line').hidden = false
  const { score, words } = strength(passphrase)
  if (score < WEAKEST) {
    part('passphrase').focus()
    throw new RillError('bad_request', `this passphrase is too weak for a new wallet. ${words} Four words that have nothing to do with each other are good`)
  }
  if (part<HTMLInputElement>('repeat').value !== passphrase) {
    part('repeat').focus()
    throw new RillError('bad_request', 'a new wallet is made: type its passphrase twice, the two are not the same')
  }
}
