// A process that says of one mutant after the other what catches it: scripts/mutants starts it and sends the names.
//
// All tests are loaded once, and run with the mutant's code in the place of the committed one; the first that fails has
// caught it.
import { register } from 'node:module'
import { attacks, openersOf } from './attacks.mjs'
import { running } from './channel.mjs'
import { codeOf, mutants } from './mutants.mjs'

// In this process `test` only collects, so that a test can be run again and again.
globalThis.collectTest = (name, run) => collected.push({ name, run })
const collector = `data:text/javascript,${encodeURIComponent('export const test = globalThis.collectTest')}`
const hook = `export const resolve = (name, context, next) => name === 'node:test' ? { url: ${JSON.stringify(collector)}, shortCircuit: true } : next(name, context)`
register(`data:text/javascript,${encodeURIComponent(hook)}`)

/** All tests of the channel, quick ones first. */
const suites = ['ton', 'disputes', 'matrix', 'settlement', 'extra', 'jettons', 'errors', 'honest', 'model']
process.env.MODEL_SEQUENCES = '150'
process.env.HONEST_SEQUENCES = '120'

/** Where to look first for what catches a mutant of a file. */
const nearest = {
  channel: 'matrix', conditionals: 'settlement', jettons: 'jettons', opening: 'ton', settlement: 'settlement', walk: 'settlement',
}

let collected
const tests = new Map()
for (const suite of suites) {
  collected = []
  await import(`../${suite}.test.mjs`)
  tests.set(suite, collected)
}

// An attack fails, whatever else does not work.
tests.set('attacks', attacks.map(({ rule, name, run }) => ({
  name: `${rule} stops it: ${name}`,
  run: async () => { if (await run(openersOf(running.code))) throw new Error('the attack has succeeded') },
})))

/** The name of the first test that fails. */
async function firstFailure(first) {
  for (const suite of [first, ...[...tests.keys()].filter(other => other !== first)]) {
    for (const { name, run } of tests.get(suite)) {
      try {
        await run()
      } catch {
        return `${suite}: ${name}`
      }
    }
  }
  return undefined
}

async function judge(mutant) {
  const code = await codeOf(mutant)
  if (mutant.attack && await mutant.attack.run(openersOf(code))) return 'the attack itself'
  const [file] = mutant.edits ?? mutant.at
  running.code = code
  return firstFailure(nearest[file.replace(/^src\/|\.tolk$/g, '')] ?? suites[0])
}

const list = mutants()
process.on('message', async name => {
  process.send(await judge(list.find(mutant => mutant.name === name)).then(
    caught => ({ caught }),
    error => ({ broken: error.message }),
  ))
})
process.send('ready')
