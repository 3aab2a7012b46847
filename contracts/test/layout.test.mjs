// The layouts of these tests against bytes made by a running node of the network: seeds A = 32 x 01, B = 32 x 02,
// channel id = 16 x 11, destinations 32 x aa and 32 x bb.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import core from '@ton/core'
import * as cells from './lib/cells.mjs'
import { keyFromSeed } from './lib/keys.mjs'

const keyA = keyFromSeed(Buffer.alloc(32, 1))
const keyB = keyFromSeed(Buffer.alloc(32, 2))
const id = BigInt(`0x${'11'.repeat(16)}`)
const hash = cell => cell.hash().toString('hex')

test('keys are the ones the network derives from the same seeds', () => {
  assert.equal(keyA.public.toString('hex'), '8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c')
  assert.equal(keyB.public.toString('hex'), '8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394')
})

test('a channel is deployed with the data that the network rebuilds to check its address', () => {
  const data = cells.initialData({
    keyA: keyA.public,
    keyB: keyB.public,
    id,
    quarantine: 21600,
    settle: 10800,
    fine: 3_000_000_000n,
    storageFee: 250_000_000n,
    destA: new core.Address(0, Buffer.alloc(32, 0xaa)),
    destB: new core.Address(0, Buffer.alloc(32, 0xbb)),
    currency: { kind: 'ton' },
  })
  assert.equal(hash(data), 'e0b6c270e775e03ddf89bad7d419b17f71281932f5f0791c655beecc4df89f4d')
})

test('init, top-up, commit and close messages are the network\'s', () => {
  assert.equal(
    hash(cells.initMessage({ id, isA: true, key: keyA })),
    '586a29d078e454cc4ead8a1505ca69c5e59019aa88c050134ff3e751dd22572d',
  )
  assert.equal(hash(cells.topUpMessage(true)), 'ea5295dcfd7edeb84686a4498b8c75da229c7e6ae489438e14168bacd6592146')
  const terms = { keyA, keyB, id, sentA: 500_000_000n, sentB: 0n, seqnoA: 2, seqnoB: 1 }
  assert.equal(
    hash(cells.commitMessage({ ...terms, withdrawA: 100_000_000n, withdrawB: 0n })),
    '5ebc53a8dda7acc55b4e7ff5fb97a85f13b6a027fbbba3560853078d247f1b53',
  )
  assert.equal(
    hash(cells.closeMessage({ ...terms, seqnoA: 2, seqnoB: 1 })),
    '14a67a3369175cf35c279010f1050b3115e646fd78982eaaf64f96fd1adfba79',
  )
})
