// Builds the package into dist/, and the demo page into dist/demo/ as one folder that any web server can serve.
// The wasm must be there already: `cargo xtask wasm` makes it.

import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { buildSync } from 'esbuild'

const web = join(dirname(fileURLToPath(import.meta.url)), '..')
const at = (...path) => join(web, ...path)

if (!existsSync(at('src/wasm/core_bg.wasm'))) {
  console.error('web/src/wasm is empty: run `cargo xtask wasm` first')
  process.exit(1)
}
rmSync(at('dist'), { recursive: true, force: true })
const compile = (project) => {
  const { status } = spawnSync('node', [at('node_modules/typescript/bin/tsc'), '-p', project], { cwd: web, stdio: 'inherit' })
  if (status !== 0) process.exit(1)
}
compile('.')
cpSync(at('src/wasm'), at('dist/wasm'), { recursive: true })

// The page imports the package as any page would; bundled with what it needs besides, and the package left as it is.
compile('demo')
buildSync({
  entryPoints: [at('demo/main.ts')],
  outfile: at('dist/demo/main.js'),
  bundle: true,
  format: 'esm',
  target: 'es2022',
  minify: true,
  alias: { 'rill-ton': './rill-ton/index.js' },
  external: ['./rill-ton/index.js'],
  legalComments: 'inline',
})
for (const file of ['index.html', 'style.css', 'icon.svg']) cpSync(at('demo', file), at('dist/demo', file))
for (const file of readdirSync(at('dist')).filter((name) => name.endsWith('.js'))) cpSync(at('dist', file), at('dist/demo/rill-ton', file))
cpSync(at('dist/wasm'), at('dist/demo/rill-ton/wasm'), { recursive: true, filter: (file) => !file.endsWith('.d.ts') })
