// The package: a payment node that lives in this page, and a fetch that pays with it.

export { friendlyAddress, readAddress } from './address.js'
export { RillError } from './errors.js'
export type { ErrorCode, ErrorDetails, Missing, Retry } from './errors.js'
export { giveUp, wrapFetch } from './fetch.js'
export type { Offer, PayingFetchOptions, Receipt } from './fetch.js'
export type { RillNode } from './node.js'
export { openNode } from './open.js'
export type { OpenOptions } from './page.js'
export type { WaitOptions } from './opening.js'
export { formatTon } from './ton.js'
export type * from './types.js'
