// What lies in the browser's database, looked at without making one and without the node.

import { network as checkedNetwork, text } from './arguments.js'
import { RillError } from './errors.js'

/** The names that `crates/browser` gives them. */
const STORE = 'records'
const VAULT = 'vault'

export interface StoredOptions {
  /** Default: `tvm:-3`, the test network. */
  readonly network?: string
  /** Default: `wallet`. */
  readonly database?: string
}

/**
 * Whether this browser holds the keys of a wallet, which `openNode` would open; otherwise it would make new ones.
 *
 * @throws {@link RillError} `bad_request`, `unsupported`, `storage_not_durable`
 */
export async function hasWallet(options: StoredOptions = {}): Promise<boolean> {
  const name = `rill ${checkedNetwork(options.network ?? 'tvm:-3')} ${text(options.database ?? 'wallet', 'database')}`
  if (typeof indexedDB === 'undefined') throw new RillError('unsupported', 'this place has no IndexedDB, so no wallet either')
  const database = await existing(name)
  if (database === null) return false
  try {
    if (!database.objectStoreNames.contains(STORE)) return false
    const asked = database.transaction(STORE).objectStore(STORE).getKey(VAULT)
    return await new Promise((resolve, fail) => {
      asked.onsuccess = () => resolve(asked.result !== undefined)
      asked.onerror = () => fail(unreadable(asked.error))
    })
  } finally {
    database.close()
  }
}

/** The database, or null: looking for one must not make it. */
function existing(name: string): Promise<IDBDatabase | null> {
  return new Promise((resolve, fail) => {
    const opening = indexedDB.open(name)
    let fresh = false
    opening.onupgradeneeded = () => {
      fresh = true
      opening.transaction?.abort()
    }
    opening.onsuccess = () => resolve(opening.result)
    opening.onerror = () => (fresh ? resolve(null) : fail(unreadable(opening.error)))
  })
}

function unreadable(cause: DOMException | null): RillError {
  const why = cause === null ? 'no reason given' : cause.message
  return new RillError('storage_not_durable', `the browser's storage cannot be read (${why}): leave private browsing, or free some space`, {
    retry: 'after',
    cause,
  })
}
