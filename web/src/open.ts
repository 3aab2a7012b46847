// The one door to the node of this page.

import { startCore } from './core.js'
import type { RillNode } from './node.js'
import { Page } from './page.js'
import type { OpenOptions } from './page.js'

const page = new Page(startCore)

/**
 * Opens the node of this page: the stored one, or a new one with fresh keys. It runs until every {@link RillNode} that was
 * opened of it is closed, or until the page goes; what was durable goes on at the next opening. Opened again meanwhile, it
 * is the same node.
 *
 * @example
 * const node = await openNode({ invitation, passphrase })
 * await node.openChannel(node.relay, 10_000_000_000n)
 *
 * @throws {@link RillError} `bad_request` (a wrong argument or invitation), `wrong_passphrase`, `not_leader` (it runs in
 * another tab), `storage_not_durable`, `storage_corrupt`, `unsupported`
 */
export function openNode(options: OpenOptions): Promise<RillNode> {
  return page.open(options)
}
