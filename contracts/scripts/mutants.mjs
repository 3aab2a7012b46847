// Breaks the channel in every way on the list (test/lib/mutants), one at a time, and runs the tests: each mutant must be
// caught. A run of all of them writes down what caught each, in test/mutants.txt.
//
// `node scripts/mutants.mjs [part of a name]` runs some of them.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { root } from './compile.mjs'
import { equivalent, mutants } from '../test/lib/mutants.mjs'

/** A mutant that makes a test run for ever is caught, too. */
const PATIENCE = 600_000

const wanted = process.argv[2] ?? ''
const list = mutants().filter(({ name }) => name.includes(wanted))
const results = new Map()

async function startJudge() {
  const judge = fork(join(root, 'test/lib/judge.mjs'))
  await once(judge, 'message')
  return judge
}

/** What a judge says of a mutant. */
function ask(judge, name) {
  return new Promise(resolve => {
    const ended = () => answer({ caught: 'a test that ends the process', over: true })
    const timer = setTimeout(() => answer({ caught: 'a test that never ends', over: true }), PATIENCE)
    function answer(result) {
      clearTimeout(timer)
      judge.off('message', answer)
      judge.off('exit', ended)
      resolve(result)
    }
    judge.on('message', answer)
    judge.on('exit', ended)
    judge.send(name)
  })
}

async function work(queue) {
  let judge
  for (let mutant = queue.shift(); mutant; mutant = queue.shift()) {
    const { name } = mutant
    let result
    if (equivalent[name]) result = `equivalent: ${equivalent[name]}`
    else {
      judge ??= await startJudge()
      const { caught, broken, over } = await ask(judge, name)
      if (broken) throw new Error(`${name}\n${broken}`)
      if (over) {
        judge.kill()
        judge = undefined
      }
      result = caught ? `caught by ${caught}` : 'SURVIVES'
    }
    results.set(name, result)
    console.log(`${results.size}/${list.length} ${name}\n    ${result}`)
  }
  judge?.disconnect()
}

const queue = [...list]
await Promise.all(Array.from({ length: Math.max(1, Math.min(4, cpus().length)) }, () => work(queue)))

const count = start => [...results.values()].filter(result => result.startsWith(start)).length
const summary = `${list.length} mutants: ${count('caught')} caught, ${count('equivalent')} equivalent, ${count('SURVIVES')} survive`
const lines = list.map(({ name }) => `${name}\n    ${results.get(name)}\n`)
const { hash } = JSON.parse(readFileSync(join(root, 'build/hashes.json'), 'utf8')).channel
if (!wanted) writeFileSync(join(root, 'test/mutants.txt'), `channel ${hash}\n${summary}\n\n${lines.join('')}`)
console.log(`\n${summary}`)
for (const [name, result] of results) if (result === 'SURVIVES') console.log(`survives: ${name}`)
if (count('SURVIVES') > 0) process.exit(1)
