// Compiles the Tolk sources of this folder; every script and test that needs code goes through here.
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Cell, beginCell } from '@ton/core'
import { runTolkCompiler } from '@ton/tolk-js'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** The contracts that are built, and the file each starts from. */
export const contracts = { channel: 'src/channel.tolk', wallet: 'src/wallet.tolk' }

/**
 * Compiles one entry file.
 *
 * @param {string} entry path below this folder
 * @param {(path: string, text: string) => string} [edit] changes a source text before it is compiled; mutants use it
 * @returns {Promise<{ code: Cell, fift: string, warnings: string }>}
 */
export async function compile(entry, edit = (_, text) => text) {
  const result = await runTolkCompiler({
    entrypointFileName: entry,
    fsReadCallback: path => edit(path, readFileSync(join(root, path), 'utf8')),
  })
  if (result.status === 'error') throw new Error(result.message)
  return { code: withoutSelector(Cell.fromBase64(result.codeBoc64)), fift: result.fiftCode, warnings: result.stderr }
}

/** What the compiler begins a program with: SETCP 0, the table of its methods, a jump into it, 11 THROWARG. */
const SELECTOR = 'FF00F4A413F4BCF2C80B'
/** A table with nothing but method 0, the handler of internal messages: a label of nineteen zeros, and its code. */
const ONLY_METHOD_0 = 0b110_10011
/** SETCP 0, 11 THROWIF: any other method is refused as the table does it. */
const ENTRY = 0xff00f24b

/** Takes the table of methods out of a program that has only one; looking into it costs 334 gas in every message. */
function withoutSelector(code) {
  const table = code.refs[0].beginParse()
  if (code.bits.toString() !== SELECTOR || table.remainingBits < 8 || table.preloadUint(8) !== ONLY_METHOD_0) return code
  return beginCell().storeUint(ENTRY, 32).storeSlice(table.skip(8)).endCell()
}

/**
 * Size of a tree of cells, equal cells counted once, as the chain counts an account's storage.
 *
 * @param {Cell} cell
 * @returns {{ bits: number, cells: number }}
 */
export function size(cell) {
  const seen = new Map()
  const walk = c => {
    const key = c.hash().toString('hex')
    if (seen.has(key)) return
    seen.set(key, c.bits.length)
    c.refs.forEach(walk)
  }
  walk(cell)
  return { bits: [...seen.values()].reduce((sum, bits) => sum + bits, 0), cells: seen.size }
}

/**
 * Compiles the channel with pieces of its source replaced.
 *
 * @param {string[]} edits file, text, replacement, and so on; each text must be there
 */
export async function compileChanged(edits) {
  const found = new Set()
  const { code } = await compile(contracts.channel, (path, text) => {
    for (let i = 0; i < edits.length; i += 3) {
      const [file, from, to] = edits.slice(i, i + 3)
      if (!path.endsWith(file) || !text.includes(from)) continue
      found.add(i)
      text = text.replaceAll(from, to)
    }
    return text
  })
  for (let i = 0; i < edits.length; i += 3) {
    if (!found.has(i)) throw new Error(`${edits[i]} has no \`${edits[i + 1]}\` to replace`)
  }
  return code
}

/** What is committed about a compiled contract. */
export function describe(code) {
  return { hash: code.hash().toString('hex'), depth: code.depth(), ...size(code) }
}

