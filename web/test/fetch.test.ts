// Stories of a fetch that pays, against a real HTTP server: what is bought, what is refused, and that no cut, crash or
// lie makes it pay twice.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { RillError } from '../src/errors.js'
import type { ErrorCode } from '../src/errors.js'
import { giveUp, wrapFetch } from '../src/fetch.js'
import type { PayingFetchOptions, Receipt } from '../src/fetch.js'
import { FakeNode, RELAY, Shop } from './fake.js'
import type { Mood, Tamper } from './fake.js'

interface Scene {
  readonly node: FakeNode
  readonly shop: Shop
  paying(options?: Partial<PayingFetchOptions>): typeof fetch
}

function story(name: string, act: (scene: Scene) => Promise<void>): void {
  void test(name, async () => {
    const node = new FakeNode()
    const shop = await Shop.open(node)
    const paying = (options: Partial<PayingFetchOptions> = {}) =>
      wrapFetch(node, { maxAmount: 2_000n, resendAfterMs: [1, 1], againMs: 20, ...options })
    try {
      await act({ node, shop, paying })
    } finally {
      shop.close()
    }
  })
}

async function fails(asking: Promise<unknown>, code: ErrorCode, moneyMayHaveMoved: boolean): Promise<RillError> {
  const error = await asking.then(
    () => assert.fail(`no error, expected ${code}`),
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof RillError, `expected a RillError, got ${String(error)}`)
  assert.equal(error.code, code, error.message)
  assert.equal(error.moneyMayHaveMoved, moneyMayHaveMoved)
  return error
}

/** Notes of what was answered go by themselves. */
async function forgotten(node: FakeNode): Promise<void> {
  while (node.notes.size > 0) await new Promise((wake) => setTimeout(wake, 5))
}

story('what is free passes through and costs nothing', async ({ node, shop, paying }) => {
  const response = await paying()(shop.url('/free'))
  assert.equal(await response.text(), 'free')
  assert.equal(node.payments.size, 0)
})

story('a protected resource is paid once and delivered, fee on top', async ({ node, shop, paying }) => {
  const receipts: Receipt[] = []
  const totals: bigint[] = []
  const paid = paying({
    onReceipt: (receipt) => receipts.push(receipt),
    onBeforePayment: (_, total) => void totals.push(total),
  })
  const response = await paid(`${shop.url('/article')}#top`)
  assert.equal(response.url, shop.url('/article'))
  assert.equal(await response.text(), '/article no. 1')
  assert.deepEqual(totals, [1_010n])
  assert.equal(receipts[0]?.problem, null)
  const [payment] = [...node.payments.values()]
  assert.equal(payment?.summary.amount, '1000')
  assert.equal(payment.summary.fee, '10')
  assert.equal(node.payments.size, 1)
  await forgotten(node)
})

story('the body of a request is part of what is bought', async ({ shop, paying }) => {
  const response = await paying()(shop.url('/ask'), { method: 'POST', body: 'why?' })
  assert.equal(await response.text(), '/ask no. 1')
  assert.deepEqual(shop.asked, ['POST', 'POST'])
})

/** A body that never ends, in parts of 64 KiB, and how many of them were asked for. */
function endless(): { body: ReadableStream<Uint8Array>; parts: () => number } {
  let parts = 0
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      parts += 1
      controller.enqueue(new Uint8Array(65_536))
      await new Promise((wake) => setTimeout(wake, 1))
    },
  })
  return { body, parts: () => parts }
}

const streamed = (body: ReadableStream) => ({ method: 'POST', body, duplex: 'half' }) as RequestInit

story('an endless upload leaves at once, and what is kept of it is bounded', async ({ node, shop, paying }) => {
  const { body, parts } = endless()
  const response = await paying({ maxBody: 100_000 })(shop.url('/door'), streamed(body))
  assert.equal(await response.text(), 'come in')
  assert.ok(parts() < 1_000, `${parts()} parts were read`)
  assert.equal(node.payments.size, 0)
})

story('an upload is on its way before its source has ended', async ({ shop, paying }) => {
  let end: () => void = () => {}
  const ended = new Promise<void>((resolve) => (end = resolve))
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      controller.enqueue(new Uint8Array(1))
      await ended
      controller.close()
    },
  })
  const asking = paying()(shop.url('/door'), streamed(body))
  assert.equal(await (await asking).text(), 'come in')
  end()
})

story('a stream is paid for and sent again whole', async ({ shop, paying }) => {
  const parts = ['wh', 'y?']
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const part = parts.shift()
      if (part === undefined) controller.close()
      else controller.enqueue(new TextEncoder().encode(part))
    },
  })
  shop.moods.push('cut')
  const response = await paying()(shop.url('/ask'), streamed(body))
  assert.equal(await response.text(), '/ask no. 1')
})

story('a body that is too long to be kept is said so, and nothing is paid', async ({ node, shop, paying }) => {
  const error = await fails(paying({ maxBody: 9 })(shop.url('/ask'), { method: 'POST', body: 'x'.repeat(10) }), 'bad_request', false)
  assert.match(error.message, /longer than 9 bytes/)
  await fails(paying({ maxBody: 100_000 })(shop.url('/toll'), streamed(endless().body)), 'bad_request', false)
  const slow = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(new Uint8Array(1)) })
  const late = await fails(paying({ timeoutMs: 30 })(shop.url('/toll'), streamed(slow)), 'bad_request', false)
  assert.match(late.message, /not ended/)
  assert.equal(node.payments.size, 0)
  assert.ok((await paying({ maxBody: 9 })(shop.url('/ask'), { method: 'POST', body: 'x'.repeat(9) })).ok)
})

story('a body that breaks off pays nothing', async ({ node, shop, paying }) => {
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      controller.enqueue(new Uint8Array(1))
      await new Promise((wake) => setTimeout(wake, 5))
      controller.error(new Error('the file is gone'))
    },
  })
  await assert.rejects(paying()(shop.url('/ask'), streamed(body)))
  assert.equal(node.payments.size, 0)
})

story('HEAD is never paid for', async ({ node, shop, paying }) => {
  const response = await paying()(shop.url('/article'), { method: 'HEAD' })
  assert.equal(response.status, 402)
  assert.equal(node.payments.size, 0)
})

story('a 402 that is not of x402 is handed through', async ({ node, paying }) => {
  const plain: typeof fetch = () => Promise.resolve(new Response('pay at the desk', { status: 402 }))
  const response = await paying({ fetch: plain })('http://shop.example/')
  assert.equal(response.status, 402)
  assert.equal(node.payments.size, 0)
})

const lies: [string, ErrorCode, Tamper][] = [
  ['a raised amount', 'bad_challenge', (invoice, accepted) => {
    accepted['amount'] = '1'
    invoice['amount'] = '1'
  }],
  ['an amount that differs from the invoice', 'bad_challenge', (_, accepted) => (accepted['amount'] = '1')],
  ['an amount of nothing', 'bad_challenge', (invoice, accepted, resign) => {
    accepted['amount'] = invoice['amount'] = '0'
    resign()
  }],
  ['an amount with a point', 'bad_challenge', (invoice, accepted, resign) => {
    accepted['amount'] = invoice['amount'] = '1.5'
    resign()
  }],
  ['an amount beyond the range of coins', 'bad_challenge', (invoice, accepted, resign) => {
    accepted['amount'] = invoice['amount'] = (1n << 120n).toString()
    resign()
  }],
  ['a signature with one bit changed', 'bad_challenge', (_, accepted) => {
    const extra = accepted['extra'] as Record<string, string>
    const signature = extra['invoiceSignature'] ?? ''
    extra['invoiceSignature'] = (signature.startsWith('0') ? '1' : '0') + signature.slice(1)
  }],
  ['another node key in the offer', 'bad_challenge', (_, accepted) => {
    (accepted['extra'] as Record<string, string>)['nodeKey'] = 'cc'.repeat(32)
  }],
  ['an invoice for another request', 'bad_challenge', (invoice, _, resign) => {
    invoice['requestHash'] = 'dd'.repeat(32)
    resign()
  }],
  ['a short id', 'bad_challenge', (invoice, _, resign) => {
    invoice['id'] = 'dd'
    resign()
  }],
  ['a negative fee', 'bad_challenge', (invoice, _, resign) => {
    invoice['routes'] = [{ relay: 'aa'.repeat(32), fee: '-5' }]
    resign()
  }],
  ['an invoice that has expired', 'expired', (invoice, _, resign) => {
    invoice['expiry'] = 1_000_000
    resign()
  }],
  ['another asset', 'unsupported', (invoice, accepted, resign) => {
    accepted['asset'] = invoice['asset'] = `0:${'ee'.repeat(32)}`
    resign()
  }],
  ['another network', 'wrong_network', (_, accepted) => (accepted['network'] = 'tvm:-239')],
  ['another way to pay', 'unsupported', (_, accepted) => {
    (accepted['extra'] as Record<string, string>)['assetTransferMethod'] = 'cheque'
  }],
]

for (const [what, code, tamper] of lies) {
  story(`a demand with ${what} is not paid`, async ({ node, shop, paying }) => {
    shop.tamper = tamper
    await fails(paying()(shop.url('/article')), code, false)
    assert.equal(node.payments.size, 0)
    assert.equal(node.notes.size, 0)
  })
}

/** An offer over `amount`, whose relays ask these fees. */
function priced(amount: string, ...routes: { relay: string; fee: string }[]): Tamper {
  return (invoice, accepted, resign) => {
    accepted['amount'] = invoice['amount'] = amount
    if (routes.length > 0) invoice['routes'] = routes
    resign()
  }
}

for (const [what, , tamper] of lies) {
  story(`an offer with ${what} does not hide the good one behind it`, async ({ node, shop, paying }) => {
    shop.offers.push(tamper, priced('900'))
    assert.ok((await paying()(shop.url('/article'))).ok)
    assert.deepEqual([...node.payments.values()].map(({ summary }) => summary.amount), ['900'])
  })
}

story('an offer in a newer version does not hide one that is understood', async ({ node, shop, paying }) => {
  shop.offers.push((invoice, _, resign) => {
    invoice['v'] = 2
    resign()
  }, priced('900'))
  assert.ok((await paying()(shop.url('/article'))).ok)
  assert.equal(node.payments.size, 1)
})

story('of several offers the cheapest is taken, wherever it stands', async ({ node, shop, paying }) => {
  shop.offers.push(priced('900'), priced('1'), priced('400'))
  assert.ok((await paying()(shop.url('/article'))).ok)
  assert.deepEqual([...node.payments.values()].map(({ summary }) => summary.amount), ['1'])
})

story('of several relays the cheapest that we have a channel with is taken', async ({ node, shop, paying }) => {
  const [cheap, foreign] = ['ab'.repeat(32), 'cd'.repeat(32)]
  node.peers = [RELAY, cheap]
  shop.tamper = priced('1000', { relay: RELAY, fee: '900' }, { relay: foreign, fee: '0' }, { relay: cheap, fee: '1' })
  assert.ok((await paying()(shop.url('/article'))).ok)
  assert.deepEqual([...node.payments.values()].map(({ summary }) => summary.fee), ['1'])
})

story('a dear price over a cheap relay loses against the better total', async ({ node, shop, paying }) => {
  shop.offers.push(priced('1000', { relay: RELAY, fee: '1' }), priced('500', { relay: RELAY, fee: '400' }))
  assert.ok((await paying()(shop.url('/article'))).ok)
  assert.deepEqual([...node.payments.values()].map(({ summary }) => summary.amount), ['500'])
})

story('a direct channel with the merchant costs no fee and is preferred', async ({ node, shop, paying }) => {
  node.peers = [RELAY, shop.key.hex]
  assert.ok((await paying()(shop.url('/article'))).ok)
  assert.deepEqual([...node.payments.values()].map(({ summary }) => summary.fee), ['0'])
})

for (const code of ['insufficient_balance', 'insufficient_capacity', 'relay_unreachable', 'no_route'] as const) {
  story(`a relay over which our node refuses with ${code} leaves the next cheapest to be paid`, async ({ node, shop, paying }) => {
    const other = 'ab'.repeat(32)
    node.peers = [RELAY, other]
    node.refuses.set(RELAY, new RillError(code, 'not over this one'))
    shop.tamper = priced('1000', { relay: RELAY, fee: '1' }, { relay: other, fee: '2' })
    assert.equal(await (await paying()(shop.url('/article'))).text(), '/article no. 1')
    assert.deepEqual([...node.payments.values()].map(({ summary }) => summary.fee), ['2'])
  })
}

story('after a refusal that may have moved money no other way is paid', async ({ node, shop, paying }) => {
  const other = 'ab'.repeat(32)
  node.peers = [RELAY, other]
  node.refuses.set(RELAY, new RillError('insufficient_balance', 'who knows', { moneyMayHaveMoved: true }))
  shop.tamper = priced('1000', { relay: RELAY, fee: '1' }, { relay: other, fee: '2' })
  await fails(paying()(shop.url('/article')), 'insufficient_balance', true)
  assert.equal(node.payments.size, 0)
  assert.equal(node.notes.size, 1)
})

story('a refusal names why each offer fell, and is called after what helps most', async ({ node, shop, paying }) => {
  const foreign = priced('5', { relay: 'cd'.repeat(32), fee: '0' })
  shop.offers.push(foreign, priced('5000'), (_, accepted) => (accepted['network'] = 'tvm:-239'), (invoice, _, resign) => {
    invoice['expiry'] = 1_000_000
    resign()
  })
  const error = await fails(paying()(shop.url('/article')), 'budget_exceeded', false)
  for (const reason of [/no open channel/, /0\.00000501 TON/, /tvm:-239/, /expired/]) assert.match(error.message, reason)
  assert.equal(node.payments.size, 0)
  assert.equal(node.notes.size, 0)
})

story('an amount that is none is called so, not a difference', async ({ shop, paying }) => {
  for (const amount of ['1.5', '-1', '1e3', '01', '']) {
    shop.tamper = priced(amount)
    const error = await fails(paying()(shop.url('/article')), 'bad_challenge', false)
    assert.match(error.message, /not a number of nano in decimal digits/)
  }
  shop.tamper = (_, accepted) => (accepted['amount'] = '999')
  const error = await fails(paying()(shop.url('/article')), 'bad_challenge', false)
  assert.match(error.message, /over 1000 nano, its offer names "999"/)
})

story('a header of garbage is refused and nothing is paid', async ({ node, shop, paying }) => {
  const garbage = ['', '!', 'AAAA', 'bnVsbA==', 'W10=', 'eyJ4NDAyVmVyc2lvbiI6Mn0=', 'eyJ4NDAyVmVyc2lvbiI6Mg==', '%%%', 'A'.repeat(9_000)]
  for (const header of garbage) {
    shop.header = header
    await fails(paying()(shop.url('/article')), 'bad_challenge', false)
  }
  assert.equal(node.payments.size, 0)
})

story('a price above the limit is not paid, and the fee counts', async ({ node, shop, paying }) => {
  const error = await fails(paying({ maxAmount: 1_009n })(shop.url('/article')), 'budget_exceeded', false)
  assert.match(error.message, /0\.00000101 TON/)
  assert.equal(node.payments.size, 0)
  assert.ok((await paying({ maxAmount: 1_010n })(shop.url('/article'))).ok)
})

story('the owner can refuse before anything is paid', async ({ node, shop, paying }) => {
  await fails(paying({ onBeforePayment: () => 'too dear' })(shop.url('/article')), 'user_rejected', false)
  assert.equal(node.payments.size, 0)
})

story('without a channel to a relay of the merchant nothing is paid', async ({ node, shop, paying }) => {
  node.peers = []
  await fails(paying()(shop.url('/article')), 'no_route', false)
  assert.equal(node.payments.size, 0)
})

story('an order that the node refuses leaves no trace', async ({ node, shop, paying }) => {
  node.payFault = new RillError('insufficient_balance', 'not enough')
  await fails(paying()(shop.url('/article')), 'insufficient_balance', false)
  assert.equal(node.notes.size, 0)
})

story('a redirected request is not paid', async ({ node, shop, paying }) => {
  shop.redirect = '/article'
  await fails(paying()(shop.url('/moved')), 'bad_challenge', false)
  assert.equal(node.payments.size, 0)
})

for (const status of [301, 302, 303, 307, 308]) {
  story(`a proof that is answered with a ${status} to another origin stays at home, and buys at home later`, async ({ node, shop, paying }) => {
    const stranger = await Shop.open(new FakeNode())
    try {
      shop.away.push({ status, location: stranger.url('/free') })
      const error = await fails(paying()(shop.url('/article')), 'in_flight', true)
      assert.equal(error.retry, 'same')
      assert.match(error.message, /redirect/)
      assert.deepEqual(stranger.asked, [])
    } finally {
      stranger.close()
    }
    assert.equal(await (await paying()(shop.url('/article'))).text(), '/article no. 1')
    assert.equal(node.payments.size, 1)
  })
}

story('a redirect of the proof within the shop is not followed either: the proof is for one address', async ({ node, shop, paying }) => {
  shop.away.push({ status: 307, location: '/other' })
  await fails(paying()(shop.url('/ask'), { method: 'POST', body: 'why?' }), 'in_flight', true)
  assert.equal(shop.proofs, 1)
  assert.equal(await (await paying()(shop.url('/ask'), { method: 'POST', body: 'why?' })).text(), '/ask no. 1')
  assert.equal(node.payments.size, 1)
})

story('a fetch below that follows redirects in spite of us does not sell its answer as what was bought', async ({ node, shop, paying }) => {
  shop.away.push({ status: 302, location: '/free' })
  const follows: typeof fetch = (input, init) => fetch(new Request(input, { ...init, redirect: 'follow' }))
  await fails(paying({ fetch: follows })(shop.url('/article')), 'in_flight', true)
  assert.equal(await (await paying()(shop.url('/article'))).text(), '/article no. 1')
  assert.equal(node.payments.size, 1)
})

story('when the line is cut after paying the same proof is sent again', async ({ node, shop, paying }) => {
  shop.moods.push('cut', 'error')
  const response = await paying()(shop.url('/article'))
  assert.equal(await response.text(), '/article no. 1')
  assert.equal(node.payments.size, 1)
})

story('a shop that dies after being paid answers the next identical request without being paid again', async ({ node, shop, paying }) => {
  shop.moods.push('cut', 'cut', 'cut')
  const error = await fails(paying()(shop.url('/article')), 'in_flight', true)
  assert.equal(error.retry, 'same')
  const response = await paying()(shop.url('/article'))
  assert.equal(await response.text(), '/article no. 1')
  assert.equal(node.payments.size, 1)
  assert.equal(shop.delivered.length, 1)
})

story('an answer cut off in the middle can be had again without paying', async ({ node, shop, paying }) => {
  shop.moods.push('half')
  const response = await paying()(shop.url('/article'))
  await assert.rejects(response.text())
  const again = await paying()(shop.url('/article'))
  assert.equal(await again.text(), '/article no. 1')
  assert.equal(node.payments.size, 1)
})

story('an answer that breaks off fails with what helps, not with what the platform calls it', async ({ shop, paying }) => {
  shop.moods.push('half')
  const response = await paying()(shop.url('/article'))
  const error = await fails(response.text(), 'in_flight', true)
  assert.equal(error.retry, 'same')
  assert.ok(error.paymentId !== undefined)
})

story('what was paid for is delivered whatever the status line and the headers are', async ({ node, shop, paying }) => {
  shop.moods.push('strange')
  const response = await paying()(shop.url('/article'))
  assert.match(response.statusText, /^Bezahlt /)
  assert.match(response.headers.get('x-shop') ?? '', /^K.*se /)
  assert.equal(await response.text(), '/article no. 1')
  assert.equal(node.payments.size, 1)
})

story('a bought response is as the platform would have handed it over, and so is its clone', async ({ shop, paying }) => {
  const plain = await fetch(shop.url('/free'))
  const response = await paying()(shop.url('/article'))
  const clone = response.clone()
  for (const bought of [response, clone, clone.clone()]) {
    assert.ok(bought instanceof Response)
    assert.equal(bought.url, shop.url('/article'))
    assert.equal(bought.type, plain.type)
    assert.equal(bought.redirected, false)
    assert.equal(bought.status, 200)
    assert.equal(bought.statusText, 'OK')
    assert.equal(bought.headers.get('content-type'), 'text/plain')
    assert.ok(bought.headers.has('payment-response'))
  }
  assert.equal(await clone.text(), '/article no. 1')
  assert.equal(clone.bodyUsed, true)
  assert.equal(response.bodyUsed, false)
  const blob = await response.blob()
  assert.equal(blob.type, 'text/plain')
  assert.equal(await blob.text(), '/article no. 1')
})

story('an answer is read no faster than its reader wants it', async ({ node, shop, paying }) => {
  const response = await paying()(shop.url('/article'))
  assert.equal(node.notes.size, 1)
  const [, text] = [...node.notes][0] ?? ['', '']
  assert.ok(!text.includes('answered'), 'nothing was read, so nothing is over')
  await response.text()
  await forgotten(node)
})

story('whatever breaks after paying, the error says that money may have moved, and for which payment', async ({ node, shop, paying }) => {
  const prove = node.provePayment.bind(node)
  for (const fault of [new TypeError('a bug'), new RillError('disconnected', 'the node has been closed'), 'nonsense']) {
    node.provePayment = () => Promise.reject(fault as Error)
    const error = await fails(paying()(shop.url('/article')), 'in_flight', true)
    assert.equal(error.paymentId, [...node.payments.keys()][0])
    assert.equal(error.cause, fault)
  }
  node.provePayment = prove
  assert.ok((await paying()(shop.url('/article'))).ok)
  assert.equal(node.payments.size, 1)
})

story('a listener that throws does not keep back what was paid for', async ({ node, shop, paying }) => {
  const fault = () => {
    throw new Error('a fault of the page')
  }
  const silent = console.error
  console.error = () => {}
  try {
    const response = await paying({ onPayment: fault, onReceipt: fault })(shop.url('/article'))
    assert.equal(await response.text(), '/article no. 1')
  } finally {
    console.error = silent
  }
  assert.equal(node.payments.size, 1)
})

story('who has read a whole answer and asks again buys again', async ({ node, shop, paying }) => {
  const paid = paying()
  assert.equal(await (await paid(shop.url('/article'))).text(), '/article no. 1')
  assert.equal(await (await paid(shop.url('/article'))).text(), '/article no. 2')
  assert.equal(node.payments.size, 2)
})

story('a page that was closed just when the answer came gets it again without paying', async ({ node, shop, paying }) => {
  assert.equal(await (await paying({ againMs: 400 })(shop.url('/article'))).text(), '/article no. 1')
  node.session = 'second'
  assert.equal(await (await paying({ againMs: 400 })(shop.url('/article'))).text(), '/article no. 1')
  assert.equal(node.payments.size, 1)
})

story('a page that is opened later buys again', async ({ node, shop, paying }) => {
  let now = Date.now()
  const paid = paying({ againMs: 400, now: () => now })
  assert.equal(await (await paid(shop.url('/article'))).text(), '/article no. 1')
  node.session = 'second'
  now += 401
  assert.equal(await (await paid(shop.url('/article'))).text(), '/article no. 2')
})

story('an answer is delivered although its note cannot be changed', async ({ node, shop, paying }) => {
  const remember = node.remember.bind(node)
  const full = () => Promise.reject(new Error('the disk is full'))
  node.remember = (name, text) => (shop.delivered.length > 0 ? full() : remember(name, text))
  assert.equal(await (await paying()(shop.url('/article'))).text(), '/article no. 1')
  node.remember = remember
  assert.equal(await (await paying()(shop.url('/article'))).text(), '/article no. 1')
  assert.equal(node.payments.size, 1)
})

story('identical requests at once take turns and never share a note', async ({ node, shop, paying }) => {
  const paid = paying()
  const texts = await Promise.all([1, 2, 3].map(async () => (await paid(shop.url('/article'))).text()))
  assert.equal(node.payments.size, new Set(texts).size)
  await forgotten(node)
})

story('one invoice shown twice is paid once', async ({ node, shop, paying }) => {
  const id = '77'.repeat(32)
  shop.ids.push(id, id)
  const paid = paying()
  await (await paid(shop.url('/article'))).text()
  await (await paid(shop.url('/article'))).text()
  assert.deepEqual([...node.payments.keys()], [id])
})

story('a payment that fails is said so, and the next request starts anew', async ({ node, shop, paying }) => {
  node.arrive = 'failed'
  const error = await fails(paying()(shop.url('/article')), 'payment_failed', false)
  assert.equal(error.retry, 'new')
  node.arrive = 'sent'
  assert.ok((await paying()(shop.url('/article'))).ok)
  assert.equal(node.payments.size, 2)
})

story('a payment that was refused but can still be claimed is not paid again until it is given up or over', async ({ node, shop, paying }) => {
  node.arrive = 'returning'
  const error = await fails(paying()(shop.url('/article')), 'in_flight', true)
  assert.equal(error.retry, 'same')
  await fails(paying()(shop.url('/article')), 'in_flight', true)
  assert.equal(node.payments.size, 1)
  node.arrive = 'failed'
  await fails(paying()(shop.url('/article')), 'payment_failed', false)
  node.arrive = 'sent'
  assert.ok((await paying()(shop.url('/article'))).ok)
  assert.equal(node.payments.size, 2)
})

story('a payment that is slow is unknown, not failed, and goes on later', async ({ node, shop, paying }) => {
  node.arrive = 'never'
  const leaving = new AbortController()
  const pay = node.pay.bind(node)
  node.pay = (order) => {
    setTimeout(() => leaving.abort(), 5)
    return pay(order)
  }
  await fails(paying()(shop.url('/article'), { signal: leaving.signal }), 'in_flight', true)
  node.arrive = 'sent'
  assert.ok((await paying()(shop.url('/article'))).ok)
  assert.equal(node.payments.size, 1)
})

story('a request given up before paying pays nothing', async ({ node, shop, paying }) => {
  const leaving = new AbortController()
  const asking = paying({ onBeforePayment: () => void leaving.abort() })(shop.url('/article'), { signal: leaving.signal })
  await assert.rejects(asking, { name: 'AbortError' })
  assert.equal(node.payments.size, 0)
})

story('a note of a payment that was never made is dropped', async ({ node, shop, paying }) => {
  node.payFault = new RillError('storage_not_durable', 'the disk is full', { moneyMayHaveMoved: true, retry: 'same' })
  await fails(paying()(shop.url('/article')), 'storage_not_durable', true)
  assert.equal(node.notes.size, 1)
  node.payFault = null
  assert.ok((await paying()(shop.url('/article'))).ok)
  assert.equal(node.payments.size, 1)
})

story('a shop that has not seen the payment yet is asked again', async ({ node, shop, paying }) => {
  shop.moods.push('not_final', 'not_final')
  assert.ok((await paying()(shop.url('/article'))).ok)
  assert.equal(node.payments.size, 1)
})

const hollow: [string, Mood, ErrorCode][] = [
  ['a bad request', 'bad', 'in_flight'],
  ['a 402 without a header', 'bare', 'in_flight'],
  ['a cache that never saw the proof', 'unseen', 'in_flight'],
  ['a page that is not there', 'missing', 'in_flight'],
  ['trouble', 'error', 'in_flight'],
  ['a refusal that nobody has signed', 'refuse', 'duplicate'],
  ['a refusal of another proof', 'refuse_another', 'duplicate'],
  ['a refusal that another key has signed', 'refuse_by_another', 'duplicate'],
]

for (const [what, mood, code] of hollow) {
  story(`a proof that is answered with ${what} is shown again four times and more, and paid once`, async ({ node, shop, paying }) => {
    const presses = 4
    for (let press = 0; press < presses; press++) {
      shop.moods.push(mood, mood, mood)
      const error = await fails(paying()(shop.url('/article')), code, true)
      assert.equal(error.retry, 'same')
      assert.equal(error.paymentId, [...node.payments.keys()][0])
      shop.moods.length = 0
    }
    assert.equal(await (await paying()(shop.url('/article'))).text(), '/article no. 1')
    assert.equal(node.payments.size, 1)
  })
}

story('a shop whose header is stripped on the way is shown the proof of what was paid', async ({ node, shop, paying }) => {
  shop.moods.push('cut', 'cut', 'cut')
  await fails(paying()(shop.url('/article')), 'in_flight', true)
  const stripping: typeof fetch = async (input, init) => {
    const response = await fetch(input, init)
    return response.status === 402 ? new Response(null, { status: 402 }) : response
  }
  assert.equal(await (await paying({ fetch: stripping })(shop.url('/article'))).text(), '/article no. 1')
  assert.equal(node.payments.size, 1)
})

story('a shop whose demand has become garbage is shown the proof of what was paid', async ({ node, shop, paying }) => {
  shop.moods.push('cut', 'cut', 'cut')
  await fails(paying()(shop.url('/article')), 'in_flight', true)
  shop.header = '!'
  assert.equal(await (await paying()(shop.url('/article'))).text(), '/article no. 1')
  assert.equal(node.payments.size, 1)
})

story('a refusal that the merchant has signed ends the payment: it is kept, and the next request pays anew', async ({ node, shop, paying }) => {
  shop.moods.push('refuse_signed')
  const error = await fails(paying()(shop.url('/article')), 'duplicate', true)
  assert.equal(error.retry, 'new')
  assert.ok(error.paymentId !== undefined && node.notes.has(`refused:${error.paymentId}`))
  assert.ok((await paying()(shop.url('/article'))).ok)
  assert.equal(node.payments.size, 2)
})

story('a payment can be given up on purpose, for its own request only', async ({ node, shop, paying }) => {
  const ask: RequestInit = { method: 'POST', body: 'why?' }
  shop.moods.push('refuse')
  const error = await fails(paying()(shop.url('/ask'), ask), 'duplicate', true)
  assert.equal(await giveUp(node, shop.url('/ask'), { method: 'POST', body: 'what?' }), null)
  assert.equal(await giveUp(node, shop.url('/other'), ask), null)
  assert.equal(await giveUp(node, `${shop.url('/ask')}#here`, ask), error.paymentId)
  assert.ok(node.notes.has(`refused:${error.paymentId}`))
  assert.equal(await giveUp(node, shop.url('/ask'), ask), null)
  assert.ok((await paying()(shop.url('/ask'), ask)).ok)
  assert.equal(node.payments.size, 2)
})

story('over a note that cannot be read nothing is paid', async ({ node, shop, paying }) => {
  shop.moods.push('refuse')
  await fails(paying()(shop.url('/article')), 'duplicate', true)
  for (const [name] of node.notes) node.notes.set(name, '{"v":2}')
  await fails(paying()(shop.url('/article')), 'storage_corrupt', true)
  assert.equal(node.payments.size, 1)
})

story('a receipt for another payment is reported, and the resource still delivered', async ({ shop, paying }) => {
  const receipts: Receipt[] = []
  shop.moods.push('wrong_receipt')
  const response = await paying({ onReceipt: (receipt) => receipts.push(receipt) })(shop.url('/article'))
  assert.equal(await response.text(), '/article no. 1')
  assert.equal(receipts[0]?.problem, 'the receipt is for another payment')
})
