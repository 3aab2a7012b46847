// The ways to pay: every offer of the server over every relay that leads to it, the cheapest first.

import type { Offer } from './challenge.js'
import { RillError } from './errors.js'
import type { ErrorCode } from './errors.js'
import type { RouteHop, Snapshot } from './types.js'

/** One offer, paid over one route. */
export interface Way {
  readonly offer: Offer
  readonly route: readonly RouteHop[]
  /** Nano TON, fees included. */
  readonly total: bigint
}

/** All ways that our open channels allow, the cheapest first; at equal cost as the server lists them. */
export function waysTo(offers: readonly Offer[], channels: Snapshot['channels']): { ways: Way[]; fallen: RillError[] } {
  const open = new Set(channels.filter((channel) => channel.phase === 'open').map((channel) => channel.peer))
  const fallen: RillError[] = []
  const ways = offers.flatMap((offer) => {
    const last: RouteHop = { node: offer.nodeKey, fee: 0n }
    const direct = open.has(offer.nodeKey) ? [{ offer, route: [last], total: offer.amount }] : []
    const relayed = offer.relays
      .filter(({ node }) => open.has(node))
      .map((relay) => ({ offer, route: [relay, last], total: offer.amount + relay.fee }))
    const found: Way[] = [...direct, ...relayed]
    if (found.length === 0) fallen.push(noRoute())
    return found
  })
  ways.sort((a, b) => (a.total < b.total ? -1 : a.total > b.total ? 1 : 0))
  return { ways, fallen }
}

/** Whether a refusal of our own node is of this one way only: nothing was paid, another way may do. */
export function isOfThisWay(error: RillError): boolean {
  return !error.moneyMayHaveMoved && OF_ONE_WAY.includes(error.code)
}

/** One error for all the ways that fell; it names why each did. */
export function nothingFits(fallen: readonly RillError[]): RillError {
  const [first, ...others] = fallen
  if (first === undefined) return new RillError('unsupported', 'nothing was paid: the server offers nothing')
  if (others.length === 0) return first
  // The one that a person can do most about decides what the error is called.
  const rank = (error: RillError) => (BY_HELP.includes(error.code) ? BY_HELP.indexOf(error.code) : BY_HELP.length)
  const [nearest] = [...fallen].sort((a, b) => rank(a) - rank(b))
  const { code, retry } = nearest ?? first
  const reasons = [...new Set(fallen.map((error) => error.message.replace(/^nothing was paid: /, '')))]
  return new RillError(code, `nothing was paid, no offer fits: ${reasons.join('; ')}`, { retry, cause: nearest })
}

function noRoute(): RillError {
  return new RillError('no_route', 'no open channel leads to this merchant: open a channel with one of its relays first', {
    retry: 'after',
  })
}

const OF_ONE_WAY: readonly ErrorCode[] = ['insufficient_balance', 'insufficient_capacity', 'no_route', 'relay_unreachable']
const BY_HELP: readonly ErrorCode[] = [
  'budget_exceeded',
  'insufficient_balance',
  'insufficient_capacity',
  'relay_unreachable',
  'no_route',
  'expired',
  'wrong_network',
  'unsupported',
]
