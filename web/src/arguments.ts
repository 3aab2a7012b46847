// What a program hands in, checked before anything is begun: a wrong argument is `bad_request`, and moves no money.

import { RillError } from './errors.js'
import type { Hex, Nano } from './types.js'

export const NETWORKS: readonly string[] = ['tvm:-3', 'tvm:-239']

export function bad(message: string): RillError {
  return new RillError('bad_request', message)
}

/** A text that is not empty. */
export function text(value: unknown, name: string): string {
  if (typeof value !== 'string') throw bad(`\`${name}\` must be a string, it is ${kind(value)}`)
  if (value === '') throw bad(`\`${name}\` is empty`)
  return value
}

export function network(value: unknown): string {
  const name = text(value, 'network')
  if (!NETWORKS.includes(name)) throw bad(`the network "${name.slice(0, 40)}" is not known: known are ${NETWORKS.join(' and ')}`)
  return name
}

/** 32 bytes in lower-case hex. */
export function key(value: unknown, name: string): Hex {
  if (typeof value !== 'string' || !/^[0-9a-f]{64}$/.test(value)) {
    throw bad(`\`${name}\` must be 64 digits of lower-case hex, it is ${kind(value)}`)
  }
  return value
}

/** Nano TON. */
export function nano(value: unknown, name: string): Nano {
  if (typeof value === 'bigint' && value >= 0n) return String(value)
  if (typeof value === 'string' && /^[0-9]{1,37}$/.test(value)) return value
  if (typeof value === 'number') throw bad(`\`${name}\` is a number: write nano TON as a bigint, ${value}n, or as a string of digits`)
  throw bad(`\`${name}\` must be nano TON as a bigint or as a string of digits, it is ${kind(value)}`)
}

export function listener<F>(value: F, name: string): F {
  if (typeof value !== 'function') throw bad(`\`${name}\` must be a function, it is ${kind(value)}`)
  return value
}

function kind(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'string') return `"${value.slice(0, 40)}"`
  return typeof value === 'bigint' ? `${value}n` : typeof value
}
