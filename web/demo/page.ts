// What the parts of the page share: the demo around it, the node, and how its connections stand.

import { RillError } from 'rill-ton'
import type { NodePhase, RillNode, Snapshot } from 'rill-ton'

/** What the demo's server tells the page. */
export interface Demo {
  readonly invitation: string
  readonly faucet: string
  readonly shop: string
  readonly network: string
  readonly passphrase: string
}

export interface Line {
  readonly online: boolean
  readonly reason: string
}

export const page: {
  demo: Demo | null
  node: RillNode | null
  snapshot: Snapshot | null
  phase: NodePhase | 'none'
  relay: Line | null
  chain: Line | null
} = { demo: null, node: null, snapshot: null, phase: 'none', relay: null, chain: null }

export function network(): string {
  return page.demo?.network ?? 'tvm:-3'
}

/** The running node, for what needs one. */
export function theNode(): RillNode {
  if (page.node === null) throw new RillError('disconnected', 'the node is not running: open the wallet first', { retry: 'after' })
  return page.node
}

/** Our channel with the relay. */
export function ourChannel(): Snapshot['channels'][number] | undefined {
  const { node, snapshot } = page
  const live = snapshot?.channels.filter((channel) => channel.peer === node?.relay && channel.phase !== 'closed')
  return live?.find((channel) => channel.phase === 'open') ?? live?.[0]
}

/** What stands in the way of a payment, in words; null if nothing is known to. */
export function obstacle(): string | null {
  if (page.node === null) return 'The node is not running.'
  if (page.relay?.online === false) return `The relay is not connected (${page.relay.reason}). The page keeps trying.`
  if (page.chain?.online === false) return `The chain is not in sight (${page.chain.reason}). The page keeps trying.`
  return null
}
