// The known ways to take, lock or lose money in a channel of this kind, by the rule that closes each.
//
// Every attack is played twice: against the contract, where it must fail, and against the contract without the rule,
// where it must succeed, so that it is known to be the rule that stops it. `run` gets a function that opens a channel
// and returns whether the attack has succeeded.
import assert from 'node:assert/strict'
import core from '@ton/core'
import * as cells from './cells.mjs'
import { Channel, currencies, ton } from './channel.mjs'
import { openJettonChannel, fund, Jetton } from './jetton.mjs'
import { keyOf } from './keys.mjs'
import { dictionaryOf, promise, promises, resolvesOf } from './promises.mjs'
import { internal, person, repricedConfig } from './world.mjs'

const cheaper = repricedConfig([1n, 6n])

/** What an attack opens channels with: those that run this code, or the committed one. */
export const openersOf = code => ({
  cheaper,
  create: options => Channel.create({ code, ...options }),
  open: options => Channel.opened({ code, ...options }),
  openJetton: options => openJettonChannel({ code, ...options }),
})

const body = (seqno, sent = 0n, hash = 0n) => ({ seqno, sent, hash })

/** Lets the dispute run out, finishes, and returns what A and B have got, without A's part of the reserve. */
async function outcome(channel, { value = ton('0.05') } = {}) {
  const { world } = channel
  world.now = Math.max(world.now, channel.quarantine.starts + channel.terms.quarantine + channel.terms.settle)
  world.inbox.clear()
  const receipt = await channel.finish({ value })
  return { receipt, a: world.tonReceivedBy(channel.a), b: world.tonReceivedBy(channel.b) }
}

/** B has promised all of this to A, who may settle it now. */
async function settling(channel, list) {
  const dict = dictionaryOf(list)
  await channel.start({ byA: true, theirs: { own: body(5, 0n, cells.rootHash(dict)), counterparty: body(5) } })
  channel.world.now += channel.terms.quarantine
  return dict
}

/** The tree of a dictionary has this many levels of forks. */
function assertDepth(dict, levels) {
  // Below the last fork are the leaf and the code in it.
  assert.equal(core.beginCell().storeDictDirect(dict).endCell().depth(), levels + 1)
}

/** A start of A that shows nothing, as it was signed now. */
async function signedStart(channel, until = 0) {
  return cells.startMessage({ id: channel.id, byA: true, key: channel.keyA, stateA: channel.moment(true, until), stateB: channel.noState })
}

/** A stranger sends a start of A again, and B shows what A has acknowledged since: whether A is fined. */
async function replayed(channel, start) {
  await channel.send(start)
  await channel.challenge({ byA: false, theirs: { own: body(9), counterparty: body(9) } })
  return channel.quarantine?.finedA ?? false
}

export const attacks = [
  {
    rule: 'C1',
    name: 'an old promise, cancelled with consent, is shown again and settled',
    without: ['src/disputes.tolk', 'ours = acknowledged.loadBody();', 'acknowledged.loadBody();'],
    async run({ open }) {
      const channel = await open()
      const list = promises(1)
      const dict = dictionaryOf(list)
      const old = { own: body(5, 0n, cells.rootHash(dict)), counterparty: body(5) }
      await channel.start({ byA: true, theirs: old })
      // B shows that A has agreed to a state in which the promise is gone.
      await channel.challenge({ byA: false, theirs: { own: body(6), counterparty: body(6) } })
      channel.world.now = channel.quarantine.starts + channel.terms.quarantine
      const settled = await channel.settle({ fromA: true, dict, resolves: resolvesOf(list) })
      return settled.exitCode === 0
    },
  },
  {
    rule: 'C1',
    name: 'a last-second challenge leaves no time to answer',
    without: ['src/disputes.tolk', 'quarantine.starts = max(', 'val unused = max('],
    async run({ open }) {
      const channel = await open()
      const begun = channel.world.now
      await channel.start({ byA: true, theirs: { own: body(5), counterparty: body(5) } })
      channel.world.now = begun + channel.terms.quarantine - 1
      await channel.challenge({ byA: true, theirs: { own: body(6), counterparty: body(6) } })
      channel.world.now = begun + channel.terms.quarantine - 1 + channel.terms.quarantine / 4
      const answer = await channel.challenge({ byA: false, theirs: { own: body(9, ton('4')), counterparty: body(9) } })
      return answer.exitCode !== 0
    },
  },
  {
    rule: 'C1',
    name: 'challenges by both, each in the last second, hold the money for ever',
    without: ['src/disputes.tolk', 'min(now - half, quarantine.firstStart + half)', 'now - half'],
    async run({ open }) {
      const channel = await open()
      const begun = channel.world.now
      await channel.start({ byA: true, theirs: { own: body(1), counterparty: body(1) } })
      for (let seqno = 2; seqno < 8; seqno += 1) {
        channel.world.now = channel.quarantine.starts + channel.terms.quarantine - 1
        await channel.challenge({ byA: seqno % 2 === 0, theirs: { own: body(seqno), counterparty: body(seqno) } })
      }
      return channel.quarantine.starts > begun + channel.terms.quarantine / 2
    },
  },
  {
    rule: 'C1',
    name: 'the same challenge is sent twice, to win time with nothing new',
    without: ['src/disputes.tolk', 'assert (isNewer) throw ERROR_OUTDATED;', ''],
    async run({ open }) {
      const channel = await open()
      await channel.start({ byA: true, theirs: { own: body(5), counterparty: body(5) } })
      const answer = { byA: false, theirs: { own: body(6), counterparty: body(6) } }
      await channel.challenge(answer)
      const { starts } = channel.quarantine
      channel.world.now += channel.terms.quarantine - 1
      await channel.challenge(answer)
      return channel.quarantine.starts > starts
    },
  },
  {
    rule: 'C1',
    name: 'a challenge with the bodies that are known wins time, since they rest on more',
    without: ['src/disputes.tolk', ' & !found.bitsEqual(known)', ''],
    async run({ open }) {
      const channel = await open()
      await channel.start({ byA: true, theirs: { own: body(5), counterparty: body(5) } })
      channel.world.now += channel.terms.quarantine - 1
      const { exitCode } = await channel.challenge({ byA: false, theirs: { own: body(5), counterparty: body(5) } })
      return exitCode === 0
    },
  },
  {
    rule: 'C1',
    name: 'a challenge after the window wipes out what was settled',
    without: ['src/disputes.tolk', 'assert (now < quarantine.starts + duration) throw ERROR_CHALLENGE_LATE;', ''],
    async run({ open }) {
      const channel = await open()
      const list = promises(1)
      const dict = dictionaryOf(list)
      const promised = body(5, 0n, cells.rootHash(dict))
      await channel.start({ byA: true, theirs: { own: promised, counterparty: body(5) } })
      channel.world.now = channel.quarantine.starts + channel.terms.quarantine
      await channel.settle({ fromA: true, dict, resolves: resolvesOf(list) })
      // A has acknowledged a newer ledger of B, in which nothing has been settled yet.
      await channel.challenge({ byA: false, theirs: { own: body(5), counterparty: { ...promised, seqno: 6 } } })
      return channel.quarantine.b.sent === 0n
    },
  },
  {
    rule: 'C1',
    name: 'a stranger ends the dispute before there was time to answer',
    without: ['src/disputes.tolk', 'assert (blockchain.now() >= end) throw ERROR_FINISH_EARLY;', ''],
    async run({ open }) {
      const channel = await open()
      await channel.start({ byA: true })
      return (await channel.finish()).exitCode === 0
    },
  },
  {
    rule: 'C1',
    name: 'an agreement from long ago ends a dispute about what came later',
    without: ['src/cooperation.tolk', 'assert (ended) throw ERROR_QUARANTINE;', ''],
    async run({ open }) {
      const channel = await open()
      await channel.start({ byA: true, theirs: { own: body(9, ton('4')), counterparty: body(9) } })
      return (await channel.close({ seqnoA: 3, seqnoB: 3 })).exitCode === 0
    },
  },
  {
    rule: 'C1',
    name: 'a challenge with an older state lowers what a side has given',
    without: [
      'src/disputes.tolk', '    if (isNewer) {\n        return (found', '    if (isNewer | true) {\n        return (found',
      'src/disputes.tolk', 'rank, steps + knownRank);', 'rank, 1);',
    ],
    async run({ open }) {
      const channel = await open()
      await channel.start({ byA: true, theirs: { own: body(5, ton('2')), counterparty: body(5, ton('1')) } })
      await channel.challenge({ byA: false, theirs: { own: body(3, 0n), counterparty: body(3, 0n) } })
      return channel.quarantine.b.sent < ton('2')
    },
  },
  {
    rule: 'C1',
    name: 'a party shows a state that the other side never signed',
    without: ['src/disputes.tolk', 'assert (isSignatureValid(state.hash(), signature, signer.otherKey)) throw ERROR_SIGNATURE;', ''],
    async run({ open }) {
      const channel = await open()
      const forged = { own: body(900, ton('5')), counterparty: body(900), key: channel.keyA }
      await channel.start({ byA: true, theirs: forged })
      return channel.quarantine !== null
    },
  },
  {
    rule: 'C1',
    name: 'a refused proposal is shown in place of the one that was agreed on with the same seqno',
    without: ['src/storage.tolk', 'const RANK_AGREED = 2', 'const RANK_AGREED = 1'],
    async run({ open }) {
      const channel = await open()
      // B proposed to give 5 and was refused, then to give 1 and was accepted; both were its sixth state.
      await channel.start({ byA: true, theirs: { own: body(6, ton('5')), counterparty: body(5) } })
      await channel.challenge({ byA: false, theirs: { own: body(5), counterparty: body(6, ton('1')) } })
      return channel.quarantine.b.sent === ton('5')
    },
  },
  {
    rule: 'C2',
    name: 'holding back a state that one has acknowledged costs nothing',
    without: ['src/disputes.tolk', 'theirMark |= FINED;', ''],
    async run({ open }) {
      const channel = await open()
      const list = promises(1)
      // A shows B's old state, in which a promise to A is still there that both had dropped since.
      await channel.start({ byA: true, theirs: { own: body(5, 0n, cells.rootHash(dictionaryOf(list))), counterparty: body(5) } })
      await channel.challenge({ byA: false, theirs: { own: body(5), counterparty: body(6) } })
      const { b } = await outcome(channel)
      return b <= ton('5')
    },
  },
  {
    rule: 'C3',
    name: 'a state with the largest seqno makes the dispute impossible to finish',
    without: ['src/disputes.tolk', 'min(ofB.loadUint(64) + 1, MAX_SEQNO)', 'ofB.loadUint(64) + 1'],
    async run({ open }) {
      const channel = await open()
      await channel.start({ byA: true, theirs: { own: body((1n << 64n) - 1n), counterparty: body(1) } })
      const { receipt } = await outcome(channel)
      return receipt.exitCode !== 0
    },
  },
  {
    rule: 'C3',
    name: 'promises beyond the largest amount make settling impossible',
    without: ['src/settlement.tolk', 'min(sent + settled, MAX_COINS)', 'sent + settled'],
    async run({ open }) {
      const channel = await open()
      const huge = (1n << 120n) - 1n
      const list = [promise('one', { capacity: huge, amount: huge }), promise('two')]
      const dict = await settling(channel, list)
      const settled = await channel.settle({ fromA: true, dict, resolves: resolvesOf(list) })
      return settled.exitCode !== 0
    },
  },
  {
    rule: 'C3',
    name: 'a debt beyond the deposits makes the dispute impossible to finish',
    without: ['src/disputes.tolk', 'min(max(balance.depositA - balance.withdrawA + fromB - fromA, 0), total)', 'balance.depositA - balance.withdrawA + fromB - fromA'],
    async run({ open }) {
      const channel = await open()
      await channel.start({ byA: true, theirs: { own: body(5), counterparty: body(5, ton('999')) } })
      const { receipt, b } = await outcome(channel)
      return !receipt.ok || b !== ton('15')
    },
  },
  {
    rule: 'C3',
    name: 'a channel is opened whose window never ends',
    without: ['src/opening.tolk', '>> DURATION_BITS == 0', '>> 40 == 0'],
    async run({ create }) {
      const channel = await create({ quarantine: 0xffffffff })
      return (await channel.deploy()).exitCode === 0
    },
  },
  {
    rule: 'C3',
    name: 'a channel is opened in which nobody has time to answer',
    without: ['src/opening.tolk', '((closing.quarantineDuration - 1) | (closing.settleDuration - 1))', '(closing.quarantineDuration | (closing.settleDuration - 1))'],
    async run({ create }) {
      const channel = await create({ quarantine: 0 })
      return (await channel.deploy()).exitCode === 0
    },
  },
  {
    rule: 'C4',
    name: 'a share that cannot be paid is dropped, and the channel closes',
    without: [
      'src/payouts.tolk', 'assert (spare >= 0) throw ERROR_FEE;', '',
      'src/payouts.tolk', 'SEND_MODE_PAY_FEES_SEPARATELY | SEND_MODE_BOUNCE_ON_ACTION_FAIL', 'SEND_MODE_PAY_FEES_SEPARATELY | SEND_MODE_IGNORE_ERRORS',
    ],
    async run({ open }) {
      const channel = await open()
      channel.world.edit(channel.address, account => { account.storage.balance.coins = ton('4') })
      channel.world.inbox.clear()
      await channel.close({})
      return !channel.storage.inited && channel.world.tonReceivedBy(channel.b) === 0n
    },
  },
  {
    rule: 'C4',
    name: 'a destination that nothing can be sent to holds the other share back',
    without: ['src/opening.tolk', 'assert ((payment.destA.getWorkchain() | payment.destB.getWorkchain()) == BASECHAIN) throw ERROR_TERMS;', ''],
    async run({ open, create }) {
      const nowhere = new core.Address(5, Buffer.alloc(32, 1))
      const refused = await (await create({ destB: nowhere })).deploy()
      if (refused.exitCode !== 0) return false
      const channel = await open({ destB: nowhere })
      return !(await channel.close({})).ok
    },
  },
  {
    rule: 'C4',
    name: 'a stranger finishes, and takes what is left of the reserve',
    without: [
      'src/payouts.tolk', 'sendValue(payment.destA, 0, extra.toLowLevelDict(), body, SEND_REST);', 'sendValue(sender(), 0, extra.toLowLevelDict(), body, SEND_REST);',
      'src/payouts.tolk', '@pure\nfun messageValue', '@pure\nfun sender(): address\n    asm "INMSG_SRC"\n\n@pure\nfun messageValue',
    ],
    async run({ openJetton }) {
      const channel = await openJetton()
      await channel.start({ byA: true })
      await outcome(channel)
      return channel.world.tonReceivedBy(channel.stranger) > 0n
    },
  },
  {
    rule: 'C4',
    name: 'rent eats the reserve, and then the share of the side that is paid last',
    without: ['src/payouts.tolk', 'assert (spare >= 0) throw ERROR_FEE;', ''],
    async run({ open }) {
      const channel = await open()
      channel.world.edit(channel.address, account => { account.storage.balance.coins = ton('14') })
      channel.world.inbox.clear()
      await channel.close({})
      const got = channel.world.tonReceivedBy(channel.a)
      return got > 0n && got < ton('10')
    },
  },
  {
    rule: 'C4',
    name: 'a withdrawal is paid from the other side\'s deposit when rent has eaten the reserve',
    without: [
      'src/cooperation.tolk', 'assert (contract.getOriginalBalance() - cost >= (isTon ? shareA + shareB + payA + payB : 0 as coins)) throw ERROR_FEE;', '',
      'src/cooperation.tolk', 'keep(isTon ? max(-payA - payB, shareA + shareB - ownBefore()) : 0);', 'keep(isTon ? -payA - payB : 0 as coins);',
    ],
    async run({ open }) {
      const channel = await open()
      channel.world.edit(channel.address, account => { account.storage.balance.coins = ton('14') })
      await channel.commit({ withdrawA: ton('10') })
      return channel.balance < ton('5')
    },
  },
  {
    rule: 'C4',
    name: 'whoever sends the next message takes what the channel holds beyond its message',
    without: ['src/payouts.tolk', 'reserveToncoinsOnBalance(ownBefore() + added, RESERVE_MODE_AT_MOST);', 'reserveToncoinsOnBalance(ton("15"), RESERVE_MODE_AT_MOST);'],
    async run({ open }) {
      const channel = await open()
      // TON that somebody sent without a purpose, and the reserve, are there.
      const stray = internal({ from: channel.stranger, to: channel.address, value: ton('7'), bounce: false })
      await channel.world.send(stray)
      channel.world.inbox.clear()
      await channel.start({ byA: true }, { value: ton('0.05') })
      return channel.world.tonReceivedBy(channel.stranger) > ton('0.05')
    },
  },
  {
    rule: 'C5',
    name: 'a partner that never signs anything keeps the deposit hostage',
    without: ['src/disputes.tolk', 'if (signature.isNoSignature()) {', 'if (false) {'],
    async run({ open }) {
      const channel = await open({ depositB: 0n })
      return (await channel.start({ byA: true })).exitCode !== 0
    },
  },
  {
    rule: 'C6',
    name: 'a closed channel is opened again, and a state of its first life is used against the new deposit',
    without: [
      'src/opening.tolk', 'assert (committed.loadUint(64) == 0) throw ERROR_ALREADY_INITED;', '',
      'src/opening.tolk', '(committed.loadUint(64) == 0) & ', '',
    ],
    async run({ open }) {
      const channel = await open()
      const old = { own: body(900, ton('5')), counterparty: body(900) }
      await channel.close({ sentB: ton('5'), seqnoA: 2, seqnoB: 2 })
      await channel.deploy()
      await channel.topUp(false, ton('5'))
      const receipt = await channel.start({ byA: true, theirs: old })
      return receipt.exitCode === 0
    },
  },
  {
    rule: 'C6',
    name: 'a state of a sibling channel in another currency is used',
    without: ['src/messages.tolk', 'assert (self.loadUint(128) == channelId) throw ERROR_CHANNEL_ID;', 'self.loadUint(128);'],
    async run({ open }) {
      const sibling = await open({ currency: { kind: 'extra', id: 100 }, storageFee: ton('0.35'), depositA: 0n, depositB: 0n, id: 7n })
      const channel = await open({ world: sibling.world })
      const theirs = { own: body(5, 4_000n), counterparty: body(5) }
      const start = cells.startMessage({
        id: sibling.id,
        byA: true,
        key: channel.keyA,
        stateA: channel.noState,
        stateB: sibling.state(false, theirs),
      })
      return (await channel.send(start)).exitCode === 0
    },
  },
  {
    rule: 'C6',
    name: 'closing leaves an account that can be deployed afresh',
    without: ['src/payouts.tolk', 'const SEND_REST = SEND_MODE_CARRY_ALL_BALANCE | SEND_MODE_BOUNCE_ON_ACTION_FAIL', 'const SEND_REST = SEND_MODE_CARRY_ALL_BALANCE | SEND_MODE_BOUNCE_ON_ACTION_FAIL | SEND_MODE_DESTROY'],
    async run({ open }) {
      const channel = await open()
      await channel.close({})
      return (await channel.deploy()).exitCode === 0
    },
  },
  {
    rule: 'C7',
    name: 'one expired promise takes a whole batch down',
    without: ['src/walk.tolk', '"CONT:<{ settleUsual() INLINECALLDICT }> SWAP 2 2 TRYARGS"', '"DROP <{ settleUsual() INLINECALLDICT }>c CALLREF"'],
    async run({ open }) {
      const channel = await open()
      const list = [...promises(3), promise('expired', { deadline: channel.world.now })]
      const dict = await settling(channel, list)
      return (await channel.settle({ fromA: true, dict, resolves: resolvesOf(list) })).exitCode !== 0
    },
  },
  {
    rule: 'C7',
    name: 'one promise above its capacity takes a whole batch down',
    without: ['src/walk.tolk', '"CONT:<{ settleUsual() INLINECALLDICT }> SWAP 2 2 TRYARGS"', '"DROP <{ settleUsual() INLINECALLDICT }>c CALLREF"'],
    async run({ open }) {
      const channel = await open()
      const list = [...promises(3), promise('too much', { amount: ton('1') + 1n })]
      const dict = await settling(channel, list)
      return (await channel.settle({ fromA: true, dict, resolves: resolvesOf(list) })).exitCode !== 0
    },
  },
  {
    rule: 'C7',
    name: 'one malformed promise takes a whole batch down',
    without: ['src/walk.tolk', '"CONT:<{ settleUnusual() INLINECALLDICT }> SWAP 2 2 TRYARGS"', '"DROP <{ settleUnusual() INLINECALLDICT }>c CALLREF"'],
    async run({ open }) {
      const channel = await open()
      const malformed = { ...promise('malformed'), conditional: core.beginCell().storeUint(0x82ff, 16).storeRef(cells.CONDITION_CODE).endCell() }
      const list = [...promises(3), malformed]
      const dict = await settling(channel, list)
      return (await channel.settle({ fromA: true, dict, resolves: resolvesOf(list) })).exitCode !== 0
    },
  },
  {
    rule: 'C7',
    name: 'more is settled than was promised',
    without: ['src/conditionals.tolk', 'assert (amount <= capacity) throw SKIP;', ''],
    async run({ open }) {
      const channel = await open()
      const list = [promise('too much', { amount: ton('3') }), promise('prepaid', { prepay: ton('0.1'), amount: ton('3') })]
      const dict = await settling(channel, list)
      await channel.settle({ fromA: true, dict, resolves: resolvesOf(list) })
      return channel.quarantine.b.sent > 0n
    },
  },
  {
    rule: 'C7',
    name: 'a promise is settled after its deadline, when its giver cannot be paid back any more',
    without: ['src/conditionals.tolk', 'assert (deadline >= blockchain.now()) throw SKIP;', ''],
    async run({ open }) {
      const channel = await open()
      const list = [promise('late', { deadline: channel.world.now + 9 }), promise('late, prepaid', { prepay: 1n, deadline: channel.world.now + 9 })]
      const dict = await settling(channel, list)
      await channel.settle({ fromA: true, dict, resolves: resolvesOf(list) })
      return channel.quarantine.b.sent > 0n
    },
  },
  {
    rule: 'C7',
    name: 'a promise is settled with an amount that its key never signed',
    without: ['src/conditionals.tolk', 'assert (isSliceSignatureValid(resolve, signature, key)) throw SKIP;', ''],
    async run({ open }) {
      const channel = await open()
      const list = promises(1)
      const dict = await settling(channel, list)
      const forged = [[list[0].slot, cells.resolveCell(keyOf('thief'), ton('1'))]]
      return (await channel.settle({ fromA: true, dict, resolves: forged })).exitCode === 0
    },
  },
  {
    rule: 'C7',
    name: 'promises that were never made are settled',
    without: ['src/settlement.tolk', 'assert (proof.loadUint(256) == conditionals) throw ERROR_PROOF;', 'proof.loadUint(256);'],
    async run({ open }) {
      const channel = await open()
      const invented = promises(2, { name: 'invented' })
      await channel.start({ byA: true, theirs: { own: body(5), counterparty: body(5) } })
      channel.world.now += channel.terms.quarantine
      return (await channel.settle({ fromA: true, dict: dictionaryOf(invented), resolves: resolvesOf(invented) })).exitCode === 0
    },
  },
  {
    rule: 'C7',
    name: 'keys are chosen so that the tree has 32 levels, and a batch does not fit into one message',
    // Every promise with a walk of its own.
    without: ['src/settlement.tolk', 'val left = settleDictionary(proof.preloadRef());', 'var left = 0;\n    repeat (30) {\n        settled = 0;\n        left = settleDictionary(proof.preloadRef());\n    }'],
    async run({ open }) {
      const channel = await open()
      const list = promises(30)
      const beside = [...Array(31).keys()].map(bit => promise(`beside ${bit}`, { slot: (list[0].slot ^ (1 << bit)) >>> 0 }))
      const dict = await settling(channel, [...list, ...beside])
      assertDepth(dict, 32)
      const receipt = await channel.settle({ fromA: true, dict, resolves: resolvesOf(list) }, { value: ton('3') })
      return receipt.exitCode !== 0 || receipt.gas > 400_000
    },
  },
  {
    rule: 'C7',
    name: 'a promise with a code of its own is settled as if it were the known one',
    without: ['src/conditionals.tolk', 'assert (entry.loadRef().hash() == conditionCode) throw SKIP;', 'entry.loadRef();'],
    async run({ open }) {
      const channel = await open()
      const drainer = core.beginCell().storeUint(0xf2c04d, 24).endCell()
      const list = [promise('hostile', { code: drainer }), promise('honest')]
      const dict = await settling(channel, list)
      await channel.settle({ fromA: true, dict, resolves: resolvesOf(list) })
      return channel.quarantine.b.sent !== list[1].worth
    },
  },
  {
    rule: 'C7',
    name: 'a resolve in a form that no node can read is settled, and nobody on the way can be paid with it',
    without: ['src/conditionals.tolk', '"SDBEGINSX" "ENDS"', '"2DROP"'],
    async run({ open }) {
      const channel = await open()
      const list = promises(1)
      const dict = await settling(channel, list)
      // The signature is good for these bytes only, and whoever reads the amount out of them writes others.
      const odd = core.beginCell().storeCoins(ton('0.5')).storeUint(0b0101, 4)
      const bytes = odd.asSlice().loadBuffer(odd.bits / 8)
      const resolve = core.beginCell().storeBuffer(list[0].key.sign(bytes)).storeBuffer(bytes).endCell()
      return (await channel.settle({ fromA: true, dict, resolves: [[list[0].slot, resolve]] })).exitCode === 0
    },
  },
  {
    rule: 'C7',
    name: 'a promise is settled twice',
    without: ['src/settlement.tolk', '.storeUint(left, 256)', '.storeUint(conditionals, 256)'],
    async run({ open }) {
      const channel = await open()
      const list = promises(2)
      const dict = await settling(channel, list)
      const [once] = list
      await channel.settle({ fromA: true, dict, resolves: resolvesOf([once]) })
      await channel.settle({ fromA: true, dict, resolves: resolvesOf([once]) })
      await channel.settle({ fromA: true, dict: dictionaryOf(list, [once]), resolves: resolvesOf([once]) })
      return channel.quarantine.b.sent > once.worth
    },
  },
  {
    rule: 'C7',
    name: 'a stranger settles with a smaller resolve first',
    without: ['src/messages.tolk', 'assert (isSignatureValid(self.hash(), signature, key)) throw ERROR_SIGNATURE;', ''],
    async run({ open }) {
      const channel = await open()
      const list = promises(1)
      const dict = await settling(channel, list)
      const small = [[list[0].slot, cells.resolveCell(list[0].key, 1n)]]
      return (await channel.settle({ fromA: true, key: keyOf('thief'), dict, resolves: small })).exitCode === 0
    },
  },
  {
    rule: 'C8',
    name: 'somebody else\'s contract says that jettons have come',
    without: ['src/jettons.tolk', 'return wallet != null && wallet == from;', 'return true;'],
    async run({ openJetton }) {
      const channel = await openJetton()
      await channel.notify(1_000_000n, { from: person('a thief'), payload: cells.topUpMessage(true) })
      return channel.storage.balance.depositA > 10_000n
    },
  },
  {
    rule: 'C8',
    name: 'a jetton top-up with little TON is neither credited nor returned',
    without: ['src/jettons.tolk', '    var payload = body.loadBool()', '    assert (messageValue() >= gasPrice(GAS_TOP_UP)) throw ERROR_FEE;\n    var payload = body.loadBool()'],
    async run({ openJetton }) {
      const channel = await openJetton({ depositA: 0n, depositB: 0n })
      await fund(channel, true, 300n, { forward: ton('0.006') })
      const stranded = channel.jetton.balanceOf(channel.address) > channel.storage.shareA + channel.storage.shareB
      return stranded
    },
  },
  {
    rule: 'C8',
    name: 'a jetton wallet refuses the shares, and they are lost',
    without: ['src/jettons.tolk', 'throw ERROR_SIGNATURE;\n    moveClaim(isA, amount);', 'throw ERROR_SIGNATURE;'],
    async run({ openJetton }) {
      const channel = await openJetton()
      channel.jetton.freeze(channel.address)
      await channel.close({})
      channel.jetton.freeze(channel.address, false)
      await channel.claim(true)
      await channel.claim(false)
      return channel.jetton.balanceOf(channel.address) > 0n
    },
  },
  {
    rule: 'C8',
    name: 'TON that came to a jetton channel by mistake is lost',
    without: ['src/payouts.tolk', 'sendValue(payment.destA, 0, extra.toLowLevelDict(), body, SEND_REST);', ''],
    async run({ openJetton }) {
      const channel = await openJetton()
      await channel.world.send(internal({ from: channel.stranger, to: channel.address, value: ton('7'), bounce: false }))
      channel.world.inbox.clear()
      await channel.close({})
      return channel.world.tonReceivedBy(channel.a) < ton('7')
    },
  },
  {
    rule: 'C8',
    name: 'a foreign extra currency that came by mistake is lost',
    without: ['src/payouts.tolk', 'sendExcess(payment.destA, leaving.toLowLevelDict(), SEND_STRAYS);', ''],
    async run({ open }) {
      const channel = await open()
      const stray = internal({ from: channel.stranger, to: channel.address, value: ton('1'), bounce: false, extra: { 9: 50n } })
      await channel.world.send(stray)
      await channel.close({})
      return channel.world.extraReceivedBy(channel.a, 9) < 50n
    },
  },
  {
    rule: 'C8',
    name: 'what one side sent too early becomes a claim of the other',
    without: ['src/jettons.tolk', 'sendJettons(from, amount, sender, sender, isA, 0,', 'sendJettons(from, amount, sender, sender, false, 0,'],
    async run({ create }) {
      const channel = await create({ ...currencies.jetton })
      await channel.deploy()
      const notified = await channel.notify(70n, { payload: cells.topUpMessage(true) })
      const returned = notified.sent[0].body.beginParse().skip(32)
      await channel.learnWallet()
      const refused = core.beginCell().storeUint(0xffffffff, 32).storeUint(0x0f8a7ea5, 32).storeUint(returned.loadUintBig(64), 64).storeCoins(70n)
      const bounced = internal({ from: Channel.wallet, to: channel.address, value: ton('0.02'), body: refused.endCell(), bounce: false })
      bounced.info.bounced = true
      await channel.world.send(bounced)
      return channel.storage.claims[1] > 0n
    },
  },
  {
    rule: 'C8',
    name: 'an extra currency beside a message is kept',
    without: ['src/payouts.tolk', 'value: (0, createMapFromLowLevelDict(extra)),', 'value: 0,'],
    async run({ open }) {
      const channel = await open()
      channel.world.inbox.clear()
      await channel.commit({}, { extra: { 9: 50n } })
      return channel.world.extraReceivedBy(channel.stranger, 9) < 50n
    },
  },
  {
    rule: 'C8',
    name: 'foreign jettons are kept',
    without: ['src/jettons.tolk', 'sendJettons(from, amount, sender, sender, isA, 0, beginCell(), 0, SEND_MODE_CARRY_ALL_REMAINING_MESSAGE_VALUE);', ''],
    async run({ open }) {
      const channel = await open()
      const foreign = await Jetton.deployed(channel.world)
      await foreign.mint(channel.stranger, 500n)
      await foreign.transfer(channel.stranger, channel.address, 200n, { forward: ton('0.06'), value: ton('0.15') })
      return foreign.balanceOf(channel.stranger) < 500n
    },
  },
  {
    rule: 'C9',
    name: 'a dispute is opened in a channel that was never opened',
    without: ['src/storage.tolk', 'assert (root.loadBool()) throw ERROR_NOT_INITED;', 'root.loadBool();'],
    async run({ create }) {
      const channel = await create()
      return (await channel.start({ byA: true }, { init: channel.init })).exitCode === 0
    },
  },
  {
    rule: 'C9',
    name: 'a dispute begins and nobody hears of it',
    without: ['src/disputes.tolk', 'tellDispute(signer.channelId, cell);', ''],
    async run({ open }) {
      const channel = await open()
      return (await channel.start({ byA: true })).events.length === 0
    },
  },
  {
    rule: 'C10',
    name: 'prices fall and the channel keeps asking for the old ones',
    without: ['src/fees.tolk', 'return calculateGasFee(BASECHAIN, gas);', 'return gas * 400;'],
    async run({ open, cheaper }) {
      const channel = await open({ config: cheaper })
      // Opening took the amounts at the old price; with the new one more of the same value is a deposit.
      return channel.storage.balance.depositA <= ton('10')
    },
  },
  {
    rule: 'C11',
    name: 'who is offline cannot be helped by a tower',
    without: ['src/channel.tolk', 'import "payouts"', 'import "payouts"\nimport "storage"', 'src/channel.tolk', '    if (op == OP_FINISH) {', '    assert (((op != OP_CHALLENGE) & (op != OP_SETTLE)) | (in.senderAddress == Payment.fromCell(loadRoot().payment()).destB)) throw 101;\n    if (op == OP_FINISH) {'],
    async run({ open }) {
      const channel = await open()
      const tower = person('a tower')
      const list = promises(2)
      const dict = dictionaryOf(list)
      // Both messages were signed by B long before.
      const challenge = cells.challengeMessage({
        id: channel.id, byA: false, key: channel.keyB,
        stateA: channel.state(true, { own: body(9, ton('1'), cells.rootHash(dict)), counterparty: body(9) }),
        stateB: channel.noState,
      })
      const settle = cells.settleMessage({
        id: channel.id, fromA: false, key: channel.keyB, resolves: resolvesOf(list),
        proof: dict.generateMerkleProof(list.map(item => item.slot)),
      })
      await channel.start({ byA: true, theirs: { own: body(5), counterparty: body(5) } })
      await channel.send(challenge, { from: tower, value: ton('0.1') })
      channel.world.now = channel.quarantine.starts + channel.terms.quarantine
      channel.world.inbox.clear()
      const receipt = await channel.send(settle, { from: tower, value: ton('0.5') })
      const paidBack = channel.world.tonReceivedBy(tower) > ton('0.4')
      return receipt.exitCode !== 0 || !paidBack
    },
  },
  {
    rule: 'C12',
    name: 'prices fall, the jetton wallet asks for what it always did, and no claim can be paid',
    without: ['src/jettons.tolk', 'notice(OP_WITHDRAWN, root.channelId()), along, messageSender());', 'notice(OP_WITHDRAWN, root.channelId()), 0, messageSender());'],
    async run({ openJetton, cheaper }) {
      const channel = await openJetton({ config: cheaper })
      await channel.commit({ withdrawA: 1_000n }, { value: ton('0.02') })
      await channel.claim(true, { value: ton('5') })
      return channel.storage.claims[0] > 0n
    },
  },
  {
    rule: 'C13',
    name: 'dust of three kinds that leaves with A\'s last message holds all shares back',
    without: ['src/payouts.tolk', 'repeat (2) {', 'extra = strays;\n            repeat (2) {'],
    async run({ open }) {
      const channel = await open()
      for (const id of [7, 8, 9]) {
        await channel.world.send(internal({ from: channel.stranger, to: channel.address, value: ton('0.001'), bounce: false, extra: { [id]: 1n } }))
      }
      return !(await channel.close({})).ok
    },
  },
  {
    rule: 'C14',
    name: 'an honest party with proposals under way is fined when it starts',
    without: ['src/disputes.tolk', 'isNewer = overtaken >= 0;', 'isNewer = overtaken >= 0;\n            if ((overtaken > 2) & (starterIsA != byA)) {\n                theirMark |= FINED;\n            }'],
    async run({ open }) {
      const channel = await open()
      // Two more states of A are under way; B has acknowledged the fifth, and A shows that.
      await channel.start({ byA: true, theirs: { own: body(5), counterparty: body(5) } })
      await channel.challenge({ byA: false, theirs: { own: body(7, ton('1')), counterparty: body(5) } })
      return channel.quarantine.finedA
    },
  },
  {
    rule: 'C15',
    name: 'an honest party is fined for an old challenge that a tower has kept',
    without: ['src/disputes.tolk', '(overtaken > 0) & (starterIsA != byA)', '(overtaken > 0) & (spokeLast != byA)', 'src/disputes.tolk', 'val starterIsA = ', 'val spokeLast = quarantine.byA;\n        val starterIsA = '],
    async run({ open }) {
      const channel = await open()
      await channel.start({ byA: false })
      // A stranger delivers what A had signed for its tower long ago; B shows what A has acknowledged since.
      await channel.challenge({ byA: true, theirs: { own: body(5), counterparty: body(5) } })
      await channel.challenge({ byA: false, theirs: { own: body(9), counterparty: body(9) } })
      return channel.quarantine.finedA
    },
  },
  {
    rule: 'C15',
    name: 'a start from before the last commit is sent again, and its signer is fined for what came later',
    without: ['src/disputes.tolk', 'assert (own.loadUint(64) >= committedSeqno) throw ERROR_OUTDATED;', 'own.loadUint(64);'],
    async run({ open }) {
      const channel = await open()
      const old = await signedStart(channel)
      await channel.send(old)
      await channel.commit({ seqnoA: 5, seqnoB: 5 })
      return replayed(channel, old)
    },
  },
  {
    rule: 'C15',
    name: 'a start that failed is sent again much later, and its signer is fined for what came in between',
    without: ['src/disputes.tolk', 'assert ((until == 0) | (until >= blockchain.now())) throw ERROR_OUTDATED;', ''],
    async run({ open }) {
      const channel = await open()
      const old = await signedStart(channel, channel.world.now + 600)
      const failed = await channel.send(old, { value: ton('0.003') })
      assert.equal(failed.ok, false)
      channel.world.now += 601
      return replayed(channel, old)
    },
  },
  {
    rule: 'C16',
    name: 'a state that is cut short is shown, and the dispute can never be finished',
    without: ['src/disputes.tolk', 'val theirs = fields.loadBody();', 'val theirs = fields.getFirstBits(fields.remainingBitsCount() - 1);\n    fields.skipBits(fields.remainingBitsCount() - 1);'],
    async run({ open }) {
      const channel = await open()
      const state = core.beginCell().storeUint(cells.TAG.state, 32).storeUint(channel.id, 128).storeUint(5, 64).storeCoins(0).storeBit(false).endCell()
      const stateB = core.beginCell().storeBuffer(channel.keyB.sign(state.hash())).storeRef(state).endCell()
      await channel.send(cells.startMessage({ id: channel.id, byA: true, key: channel.keyA, stateA: channel.moment(true), stateB }))
      if (!channel.storage.quarantine) return false
      channel.world.now += channel.terms.quarantine + channel.terms.settle
      return (await channel.finish()).exitCode !== 0
    },
  },
]
