// What the rules cost: gas of a TON channel, less gas without the rule, taken out as each attack does it. Attacks that
// leave no contract to measure, or change no operation that is measured, have no line.
import { compileChanged } from './compile.mjs'
import { measureAll } from './gas.mjs'
import { attacks } from '../test/lib/attacks.mjs'
import { running } from '../test/lib/channel.mjs'

const operations = ['deploy_init', 'topup', 'commit', 'close', 'start', 'challenge', 'settle_1', 'settle_10', 'finish']

const whole = (await measureAll()).TON
console.log(`| rule | without it | ${operations.join(' | ')} |\n|---|---|${operations.map(() => '---:|').join('')}`)
for (const { rule, name, without } of attacks) {
  running.code = await compileChanged(without)
  // What is left need not work at all.
  const less = await measureAll().then(({ TON }) => TON, () => whole)
  const prices = operations.map(operation => whole[operation].gas - less[operation].gas)
  if (prices.every(price => price === 0)) continue
  console.log(`| ${rule} | ${name} | ${prices.map(price => price.toLocaleString('en')).join(' | ')} |`)
}
