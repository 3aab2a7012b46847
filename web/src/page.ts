// One node for each database of a page, however often it is opened there. Two nodes on one database would each
// believe to know the newest state; a page that mounts its parts twice wants the same one.

import { bad, listener, network, text } from './arguments.js'
import { utf8 } from './bytes.js'
import type { Core, StartCore, WasmSource } from './core.js'
import { RillError, asRillError } from './errors.js'
import { readInvitation } from './invitation.js'
import { RillNode } from './node.js'
import { Running } from './running.js'
import type { NodeEvent } from './types.js'

/** What a node is opened with. */
export interface OpenOptions {
  /** How to reach a relay: the line that starts with `rill://`. */
  readonly invitation: string
  /** Opens the stored keys, or closes new ones in. It cannot be recovered. */
  readonly passphrase: string
  /** CAIP-2 name of the chain. Default: `tvm:-3`, the test network. */
  readonly network?: string
  /** Name of the database, for several nodes in one origin. Default: `wallet`. */
  readonly database?: string
  /** Called with everything that happens, from the start on. */
  readonly onEvent?: (event: NodeEvent) => void
  /** Where the module is. Default: beside this file. */
  readonly wasm?: WasmSource
}

/** All nodes of a page, by what names their database. */
export class Page {
  private readonly places = new Map<string, Place>()

  constructor(private readonly start: StartCore) {}

  async open(options: OpenOptions): Promise<RillNode> {
    const wanted = checked(options)
    const name = `${wanted.network} ${wanted.database}`
    for (;;) {
      const known = this.places.get(name)
      const place = known ?? this.begin(name, wanted, options.wasm)
      const running = await place.running.catch((thrown: unknown) => {
        // What somebody else had begun, perhaps with a wrong passphrase, is not what was asked here.
        if (known === undefined) throw thrown
        return null
      })
      if (running === null) continue
      if (running.ended !== null) {
        // It is on its way out: the next one begins when it has gone.
        await running.ended
        continue
      }
      if (!(await place.opensFor(wanted.passphrase))) {
        throw new RillError('wrong_passphrase', 'this passphrase does not open the node that runs in this page: try another one', { retry: 'new' })
      }
      if (running.ended !== null) continue
      if (place.invitation !== wanted.invitation) {
        throw bad('this node already runs in this page with another invitation: close it first')
      }
      return new RillNode(running, wanted.onEvent)
    }
  }

  private begin(name: string, wanted: Checked, wasm: WasmSource | undefined): Place {
    const place = new Place(wanted, (gone) => {
      if (this.places.get(name) === gone) this.places.delete(name)
    })
    this.places.set(name, place)
    place.begin(this.start, wanted, wasm)
    return place
  }
}

/** Where one node runs, or is about to. */
class Place {
  running: Promise<Running> = Promise.reject(new RillError('internal', 'the node was not started'))
  readonly invitation: string
  private lock: Promise<{ key: CryptoKey; tag: ArrayBuffer }>

  constructor(
    { invitation, passphrase }: Checked,
    private readonly gone: (place: Place) => void,
  ) {
    this.running.catch(() => {})
    this.invitation = invitation
    this.lock = locked(passphrase)
    this.lock.catch(() => {})
  }

  begin(start: StartCore, wanted: Checked, wasm: WasmSource | undefined): void {
    this.running = this.run(start, wanted, wasm)
    this.running.catch(() => this.gone(this))
  }

  /** Whether it is the passphrase that the node was opened with. */
  async opensFor(passphrase: string): Promise<boolean> {
    const { key, tag } = await this.lock
    return crypto.subtle.verify('HMAC', key, tag, utf8(passphrase))
  }

  private async run(start: StartCore, wanted: Checked, wasm: WasmSource | undefined): Promise<Running> {
    const { database, network, passphrase, invitation } = wanted
    const running = new Running(network, () => this.gone(this))
    // Who opens it hears of it from the start on, before there is a handle.
    const early = wanted.onEvent
    if (early !== undefined) running.listeners.add(early)
    let core: Core
    try {
      core = await start({ database, network, passphrase, invitation, onEvent: (event) => running.happened(event) }, wasm)
    } catch (thrown) {
      throw asRillError(thrown, false)
    }
    if (early !== undefined) running.listeners.delete(early)
    running.begin(core)
    return running
  }
}

interface Checked {
  readonly invitation: string
  readonly passphrase: string
  readonly network: string
  readonly database: string
  readonly onEvent: ((event: NodeEvent) => void) | undefined
}

function checked(options: OpenOptions): Checked {
  if (typeof options !== 'object' || options === null) throw bad('openNode takes an object with `invitation` and `passphrase`')
  const { onEvent } = options
  return {
    invitation: readInvitation(text(options.invitation, 'invitation')),
    // One text typed on different keyboards can be different code points.
    passphrase: text(options.passphrase, 'passphrase').normalize('NFKC'),
    network: network(options.network ?? 'tvm:-3'),
    database: text(options.database ?? 'wallet', 'database'),
    onEvent: onEvent === undefined ? undefined : listener(onEvent, 'onEvent'),
  }
}

/** What recognises a passphrase without keeping it: the key cannot be read, and goes with the page. */
async function locked(passphrase: string): Promise<{ key: CryptoKey; tag: ArrayBuffer }> {
  const key = await crypto.subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify'])
  return { key, tag: await crypto.subtle.sign('HMAC', key, utf8(passphrase)) }
}
