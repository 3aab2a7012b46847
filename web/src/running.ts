// A node while it runs in this page, and what all of its handles share.

import type { Core } from './core.js'
import { RillError } from './errors.js'
import type { NodeEvent } from './types.js'

/** How a connection of the node stands, as it last said. */
export interface Line {
  readonly online: boolean | null
  readonly reason: string
}

export class Running {
  /** Random name of this life of the node. */
  readonly session: string = crypto.randomUUID()
  readonly listeners = new Set<(event: NodeEvent) => void>()
  readonly turns = new Map<string, Promise<unknown>>()
  relay: Line = { online: null, reason: 'it was not reached yet' }
  chain: Line = { online: null, reason: 'it was not reached yet' }
  /** Settles when the node has stopped; null while it runs. */
  ended: Promise<void> | null = null
  /** How far the node is and how its connections stand: what a listener that comes later has missed. */
  readonly last = new Map<string, NodeEvent>()
  private handles = 0
  private begun: Core | null = null

  constructor(
    readonly network: string,
    private readonly gone: () => void,
  ) {}

  begin(core: Core): void {
    this.begun = core
  }

  get core(): Core {
    if (this.begun === null || this.ended !== null) throw closed()
    return this.begun
  }

  happened(event: NodeEvent): void {
    if (event.type === 'relay' || event.type === 'chain') this[event.type] = { online: event.online, reason: event.reason ?? '' }
    if (event.type === 'relay' || event.type === 'chain' || event.type === 'phase') this.last.set(event.type, event)
    for (const listener of [...this.listeners]) tell(listener, event)
    // It has stopped by itself: who opens it again gets a new life of it.
    if (event.type === 'phase' && (event.phase === 'stopped' || event.phase === 'error') && this.begun !== null) void this.end()
  }

  hold(): void {
    this.handles += 1
  }

  /** The last one to let go stops the node. */
  async release(): Promise<void> {
    this.handles -= 1
    if (this.handles === 0) await this.end()
    else if (this.ended !== null) await this.ended
  }

  private end(): Promise<void> {
    this.ended ??= (async () => {
      try {
        await this.begun?.close()
      } finally {
        this.gone()
      }
    })()
    return this.ended
  }
}

/** What a listener throws is its own affair. */
export function tell(listener: (event: NodeEvent) => void, event: NodeEvent): void {
  try {
    listener(event)
  } catch (thrown) {
    console.error('a listener of the node failed', thrown)
  }
}

export function closed(): RillError {
  return new RillError('disconnected', 'the node has been closed: open it again')
}
