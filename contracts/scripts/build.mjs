// Compiles the contracts into `build/`. With `--check` nothing is written: the committed bytes must equal what the
// sources compile to, or the command fails.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { compile, contracts, describe, root } from './compile.mjs'

const files = {}
const hashes = {}
for (const [name, entry] of Object.entries(contracts)) {
  const { code, warnings } = await compile(entry)
  if (warnings) console.error(warnings)
  files[`${name}.code.boc`] = code.toBoc({ idx: false, crc32: false })
  hashes[name] = describe(code)
}
files['hashes.json'] = Buffer.from(`${JSON.stringify(hashes, null, 2)}\n`)

const check = process.argv.includes('--check')
if (!check) mkdirSync(join(root, 'build'), { recursive: true })
let stale = false
for (const [file, bytes] of Object.entries(files)) {
  const path = join(root, 'build', file)
  if (!check) writeFileSync(path, bytes)
  else if (!readFileSync(path).equals(bytes)) {
    stale = true
    console.error(`build/${file} is not what the sources compile to: run \`npm run build\` and commit it`)
  }
}
for (const [name, { hash, bits, cells }] of Object.entries(hashes)) console.log(`${name} ${hash} ${cells} cells ${bits} bits`)
if (stale) process.exit(1)
