// The package as somebody installs it: what is in it, that npm would publish it, and that it loads and has types.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const web = fileURLToPath(new URL('../..', import.meta.url))
let home = ''

function run(program: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: home, encoding: 'utf8' })
  assert.equal(status, 0, `${program} ${args.join(' ')} failed\n${stdout}${stderr}`)
  return stdout
}

/** What npm says about the package; it asks no registry. */
function npm(...args: string[]): unknown {
  return JSON.parse(run('npm', ...args, '--json', '--loglevel=warn', '--ignore-scripts', '--offline', '--no-audit', '--no-fund'))
}

before(() => {
  assert.ok(existsSync(join(web, 'dist/index.js')), 'nothing is built yet: `npm run build` does it')
  home = mkdtempSync(join(tmpdir(), 'rill-package-'))
  writeFileSync(join(home, 'package.json'), '{ "private": true, "type": "module" }')
  npm('pack', web, '--pack-destination', '.')
  npm('install', './rill-ton-0.1.0.tgz')
})
after(() => rmSync(home, { recursive: true, force: true }))

void test('npm would publish it under its own name, with the node and without the demo', () => {
  const told = npm('publish', web, '--dry-run') as Record<string, { name: string; files: { path: string }[] }>
  const published = 'files' in told ? (told as unknown as (typeof told)[string]) : told['rill-ton']
  assert.equal(published?.name, 'rill-ton')
  const manifest = JSON.parse(readFileSync(join(home, 'node_modules/rill-ton/package.json'), 'utf8')) as { private?: boolean }
  assert.equal(manifest.private, undefined, 'a dry run passes over `private`, a real one does not')
  const paths = published.files.map(({ path }) => path)
  for (const path of ['README.md', 'LICENSE-MIT', 'LICENSE-APACHE', 'package.json', 'dist/index.js', 'dist/index.d.ts', 'dist/wasm/core.js', 'dist/wasm/core_bg.wasm']) {
    assert.ok(paths.includes(path), `${path} is missing`)
  }
  const strays = paths.filter((path) => !/^(README\.md|LICENSE.*|package\.json|dist\/(wasm\/)?[a-z_.]+)$/.test(path))
  assert.deepEqual(strays, [])
})

void test('what is installed loads in a program, and its wasm has an address of its own', () => {
  const program = `
    import { RillError, giveUp, openNode, wrapFetch } from 'rill-ton'
    import { existsSync } from 'node:fs'
    const wasm = new URL(import.meta.resolve('rill-ton/core.wasm'))
    console.log(JSON.stringify([typeof RillError, typeof giveUp, typeof openNode, typeof wrapFetch, existsSync(wasm)]))`
  writeFileSync(join(home, 'program.mjs'), program)
  assert.equal(run('node', 'program.mjs').trim(), '["function","function","function","function",true]')
})

void test('in a program that is no page the node says what it lacks, and what is wrong with an argument', () => {
  const program = `
    import { openNode } from 'rill-ton'
    const codes = []
    for (const options of [{ invitation: 'rill://x', passphrase: 'y' }, { invitation: 'rill://x', passphrase: '' }, undefined]) {
      await openNode(options).catch((error) => codes.push([error.name, error.code, error.moneyMayHaveMoved].join(' ')))
    }
    console.log(codes.join(', '))`
  writeFileSync(join(home, 'nowhere.mjs'), program)
  const told = run('node', 'nowhere.mjs').trim()
  assert.equal(told, 'RillError unsupported false, RillError bad_request false, RillError bad_request false')
})

void test('the lines of the README are good TypeScript against what is installed', () => {
  const readme = readFileSync(join(home, 'node_modules/rill-ton/README.md'), 'utf8')
  const lines = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code)
  assert.ok(lines.length > 0)
  mkdirSync(join(home, 'src'), { recursive: true })
  lines.forEach((code, n) => writeFileSync(join(home, `src/snippet${n}.ts`), `declare const passphrase: string\n${code}\nexport {}\n`))
  const options = { strict: true, noEmit: true, target: 'es2022', module: 'esnext', lib: ['es2022', 'dom', 'dom.iterable', 'esnext.disposable'], types: [] }
  writeFileSync(join(home, 'tsconfig.json'), JSON.stringify({ compilerOptions: { ...options, moduleResolution: 'bundler' }, include: ['src'] }))
  const tsc = join(web, 'node_modules/typescript')
  symlinkSync(tsc, join(home, 'node_modules/typescript'))
  run('node', join(tsc, 'bin/tsc'), '-p', '.')
})
