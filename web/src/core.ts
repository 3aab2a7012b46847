// The node itself, as the package sees it: the class that `crates/browser` exports, and how it is started.

import { RillError } from './errors.js'
import type { ChannelSummary, Hex, PaymentSummary, Proof, Snapshot } from './types.js'
import init, { RillNode as Module } from './wasm/core.js'
import type { CoreOptions, CoreOrder } from './wasm/core.js'

/** Where the module is. */
export type WasmSource = URL | string | Response | BufferSource | WebAssembly.Module

/** A node that runs. Everything that it throws has the shape of a {@link RillError}. */
export interface Core {
  readonly relay: Hex
  snapshot(): Promise<Snapshot>
  openChannel(peer: Hex, deposit: string): Promise<ChannelSummary | null>
  pay(order: CoreOrder): Promise<PaymentSummary>
  payment(id: Hex): Promise<PaymentSummary>
  provePayment(id: Hex, digest: Uint8Array): Promise<Proof>
  verify(key: Hex, message: Uint8Array, signature: Hex): boolean
  remember(name: string, text?: string): Promise<void>
  recall(name: string): Promise<string | undefined>
  close(): Promise<void>
}

export type StartCore = (options: CoreOptions, wasm: WasmSource | undefined) => Promise<Core>

/** Loads the module and opens the node of this page. */
export const startCore: StartCore = async (options, wasm) => {
  const missing = lacking()
  if (missing !== null) {
    throw new RillError('unsupported', `the node needs a web page with ${missing}: a current browser, over https or on localhost`)
  }
  const module_or_path = wasm ?? new URL('./wasm/core_bg.wasm', import.meta.url)
  try {
    await init({ module_or_path })
  } catch (cause) {
    const where = module_or_path instanceof URL || typeof module_or_path === 'string' ? ` from ${String(module_or_path)}` : ''
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new RillError(
      'unsupported',
      `the node's module cannot be loaded${where} (${why}). It must be served as it is in the package; ` +
        `\`wasm\` of openNode names another place, and a strict page policy needs 'wasm-unsafe-eval'`,
      { retry: 'after', cause },
    )
  }
  return Module.open(options)
}

/** What this place lacks to be one where a node can live. */
function lacking(): string | null {
  if (typeof indexedDB === 'undefined') return 'IndexedDB'
  if (typeof WebSocket === 'undefined') return 'WebSockets'
  if (typeof navigator === 'undefined' || !('locks' in navigator)) return 'Web Locks'
  return typeof crypto === 'undefined' || !('subtle' in crypto) ? 'Web Crypto' : null
}
