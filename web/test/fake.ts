// A payment node and a shop in one process, small enough to read: the node only keeps books, the shop is a real HTTP
// server that signs real invoices and checks real proofs.

import { createHash, createPrivateKey, createPublicKey, randomBytes, sign, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

import { RillError } from '../src/errors.js'
import type { PayOrder, PaymentProvider, PaymentSummary, Proof, Snapshot } from '../src/types.js'

export const RELAY = 'aa'.repeat(32)

interface Pair {
  readonly secret: KeyObject
  readonly hex: string
}

function pair(): Pair {
  const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), randomBytes(32)])
  const secret = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(secret).export({ format: 'der', type: 'spki' })
  return { secret, hex: spki.subarray(-32).toString('hex') }
}

function verified(key: string, message: Uint8Array, signature: string): boolean {
  const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), Buffer.from(key, 'hex')])
  const known = createPublicKey({ key: spki, format: 'der', type: 'spki' })
  return verify(null, message, known, Buffer.from(signature, 'hex'))
}

function hash(...parts: (string | Uint8Array)[]): Buffer {
  const sum = createHash('sha256')
  for (const part of parts) sum.update(part)
  return sum.digest()
}

interface Kept {
  summary: PaymentSummary
  instruction: Pair
}

/** Books of a payer. What `arrive` says happens to every payment. */
export class FakeNode implements PaymentProvider {
  readonly network = 'tvm:-3'
  readonly payments = new Map<string, Kept>()
  readonly notes = new Map<string, string>()
  /** Instruction keys by virtual key, as the merchant's node sees them. */
  readonly seen = new Map<string, string>()
  /** Another one: the page was closed and opened again. */
  session = 'first'
  peers = [RELAY]
  arrive: 'sent' | 'returning' | 'failed' | 'never' = 'sent'
  payFault: RillError | null = null
  /** What a payment over this first node is refused with. */
  readonly refuses = new Map<string, RillError>()
  private readonly turns = new Map<string, Promise<unknown>>()

  snapshot(): Promise<Snapshot> {
    const channels = this.peers.map((peer) => ({ peer, phase: 'open' }))
    return Promise.resolve({ channels } as unknown as Snapshot)
  }

  pay(order: PayOrder): Promise<PaymentSummary> {
    if (this.payFault !== null) return Promise.reject(this.payFault)
    const refused = this.refuses.get(order.route[0]?.node ?? '')
    if (refused !== undefined) return Promise.reject(refused)
    const known = this.payments.get(order.id)
    if (known !== undefined) return Promise.resolve(known.summary)
    const instruction = pair()
    const summary: PaymentSummary = {
      id: order.id,
      key: pair().hex,
      to: order.route.at(-1)?.node ?? '',
      amount: String(order.amount),
      fee: String(order.route.reduce((sum, hop) => sum + BigInt(hop.fee), 0n)),
      state: 'reserved',
      reason: null,
      started: Date.now(),
      finished: null,
      locked_until: null,
    }
    this.payments.set(order.id, { summary, instruction })
    return Promise.resolve(summary)
  }

  payment(id: string): Promise<PaymentSummary> {
    const kept = this.payments.get(id)
    if (kept === undefined) return Promise.reject(new RillError('not_found', 'nothing is known under this id'))
    return Promise.resolve(kept.summary)
  }

  async finished(id: string, _timeoutMs: number, signal?: AbortSignal): Promise<PaymentSummary> {
    signal?.throwIfAborted()
    const kept = this.payments.get(id)
    if (kept === undefined) throw new RillError('not_found', 'nothing is known under this id')
    if (this.arrive !== 'never') {
      kept.summary = { ...kept.summary, state: this.arrive, reason: this.arrive === 'sent' ? null : 'refused' }
      if (this.arrive === 'sent') this.seen.set(kept.summary.key, kept.instruction.hex)
    } else if (signal !== undefined) {
      await new Promise<void>((_, gone) => signal.addEventListener('abort', () => gone(signal.reason as Error)))
    }
    return kept.summary
  }

  provePayment(id: string, digest: Uint8Array): Promise<Proof> {
    const kept = this.payments.get(id)
    if (kept === undefined) return Promise.reject(new RillError('not_found', 'nothing is known under this id'))
    const { summary, instruction } = kept
    const signature = sign(null, digest, instruction.secret).toString('hex')
    return Promise.resolve({ channel: summary.key, instruction: instruction.hex, signature })
  }

  verify(key: string, message: Uint8Array, signature: string): boolean {
    return verified(key, message, signature)
  }

  remember(name: string, text: string | null): Promise<void> {
    if (text === null) this.notes.delete(name)
    else this.notes.set(name, text)
    return Promise.resolve()
  }

  recall(name: string): Promise<string | null> {
    return Promise.resolve(this.notes.get(name) ?? null)
  }

  inTurn<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.turns.get(name) ?? Promise.resolve()
    const mine = before.then(work, work)
    this.turns.set(name, mine)
    return mine
  }
}

type Json = Record<string, unknown>

/** Changes an offer before it is made; `resign` signs its invoice again. */
export type Tamper = (invoice: Json, accepted: Json, resign: () => void) => void

/** How the shop answers the next requests that carry a proof; then it is itself again. */
export type Mood =
  | 'bad'
  | 'bare'
  | 'cut'
  | 'error'
  | 'half'
  | 'missing'
  | 'not_final'
  | 'refuse'
  | 'refuse_another'
  | 'refuse_by_another'
  | 'refuse_signed'
  | 'strange'
  | 'unseen'
  | 'wrong_receipt'

/** A shop: `/free` is free, everything else costs `price`. */
export class Shop {
  readonly key = pair()
  readonly price = '1000'
  readonly fee = '10'
  readonly moods: Mood[] = []
  tamper: Tamper | null = null
  /** What each entry of `accepts` differs in, if there are to be several. */
  readonly offers: Tamper[] = []
  header: string | null = null
  redirect: string | null = null
  /** Where the next requests with a proof are sent, by which status. */
  readonly away: { readonly status: number; readonly location: string }[] = []
  /** Ids of the invoices that the next challenges use. */
  readonly ids: string[] = []
  readonly delivered: string[] = []
  readonly asked: string[] = []
  /** How many requests carried a proof. */
  proofs = 0
  private readonly answers = new Map<string, string>()

  private constructor(
    readonly payer: FakeNode,
    private readonly server: Server,
  ) {}

  static async open(payer: FakeNode): Promise<Shop> {
    const server = createServer()
    const shop = new Shop(payer, server)
    server.on('request', (request: IncomingMessage, response: ServerResponse) => void shop.serve(request, response).catch(() => response.destroy()))
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
    return shop
  }

  url(path: string): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}${path}`
  }

  close(): void {
    this.server.closeAllConnections()
    this.server.close()
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url: path = '/' } = request
    if (path === '/door') return void response.end('come in')
    if (path === '/toll') return this.demand(response, '00'.repeat(32), null)
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    this.asked.push(method)
    if (path === '/free') return void response.end('free')
    if (path === '/moved') return void response.writeHead(302, { location: this.redirect ?? '/free' }).end()
    const wanted = hash(
      JSON.stringify({
        bodyHash: hash(Buffer.concat(parts)).toString('hex'),
        domain: 'x402:exact:tvm:payment-network:http:1',
        headers: [],
        method,
        url: this.url(path),
      }),
    ).toString('hex')
    const proof = request.headers['payment-signature']
    if (typeof proof === 'string') this.proofs += 1
    if (typeof proof === 'string') return this.answer(proof, wanted, path, response)
    this.demand(response, wanted, null)
  }

  private demand(response: ServerResponse, requestHash: string, error: string | null): void {
    const variants: (Tamper | null)[] = this.offers.length > 0 ? this.offers : [this.tamper]
    const accepts = variants.map((tamper) => this.offer(requestHash, tamper))
    const challenge = { x402Version: 2, error, resource: { url: '' }, accepts }
    const header = this.header ?? Buffer.from(JSON.stringify(challenge)).toString('base64')
    response.writeHead(402, { 'PAYMENT-REQUIRED': header }).end('payment required')
  }

  private offer(requestHash: string, tamper: Tamper | null): Json {
    const invoice: Json = {
      v: 1,
      nodeKey: this.key.hex,
      id: this.ids.shift() ?? randomBytes(32).toString('hex'),
      amount: this.price,
      asset: 'TON',
      expiry: Math.floor(Date.now() / 1000) + 300,
      requestHash,
      routes: [{ relay: RELAY, fee: this.fee }],
    }
    const extra: Json = { assetTransferMethod: 'payment-network', paymentFlow: 'upfront', nodeKey: this.key.hex }
    const accepted: Json = {
      scheme: 'exact',
      network: 'tvm:-3',
      amount: this.price,
      asset: 'TON',
      payTo: `0:${'bb'.repeat(32)}`,
      maxTimeoutSeconds: 300,
      extra,
    }
    const signInvoice = () => {
      const bytes = Buffer.from(JSON.stringify(invoice))
      extra['invoice'] = bytes.toString('base64')
      extra['invoiceSignature'] = sign(null, hash('rill:invoice:v1', '\0', bytes), this.key.secret).toString('hex')
    }
    signInvoice()
    tamper?.(invoice, accepted, signInvoice)
    return accepted
  }

  /** A refusal with a signature, which is right only for `refuse_signed`. */
  private refuse(response: ServerResponse, header: string, mood: Mood): void {
    const { payload } = JSON.parse(Buffer.from(header, 'base64').toString()) as { payload: { invoiceId: string } }
    const proof = hash(mood === 'refuse_another' ? `${header}=` : header).toString('hex')
    const said = Buffer.from(JSON.stringify({ v: 1, invoiceId: payload.invoiceId, proof, code: 'duplicate_settlement' }))
    const signer = mood === 'refuse_by_another' ? pair() : this.key
    const refusalSignature = sign(null, hash('rill:refusal:v1', '\0', said), signer.secret).toString('hex')
    const extra = { refusal: said.toString('base64'), refusalSignature }
    const receipt = { success: false, errorReason: 'duplicate_settlement', transaction: '', network: 'tvm:-3', extra }
    response.writeHead(402, { 'PAYMENT-RESPONSE': Buffer.from(JSON.stringify(receipt)).toString('base64') }).end()
  }

  private answer(header: string, wanted: string, path: string, response: ServerResponse): void {
    const away = this.away.shift()
    if (away !== undefined) return void response.writeHead(away.status, { location: away.location }).end()
    const mood = this.moods.shift()
    if (mood === 'cut') return void response.destroy()
    if (mood === 'error') return void response.writeHead(503).end()
    if (mood === 'not_final') return this.demand(response, wanted, 'invalid_exact_tvm_not_final')
    if (mood === 'bad') return void response.writeHead(400).end('bad request')
    if (mood === 'bare') return void response.writeHead(402).end('payment required')
    if (mood === 'missing') return void response.writeHead(404).end('not found')
    if (mood === 'unseen') return this.demand(response, wanted, 'PAYMENT-SIGNATURE header is required')
    if (mood === 'refuse') return this.demand(response, wanted, 'duplicate_settlement')
    if (mood?.startsWith('refuse') === true) return this.refuse(response, header, mood)

    const message = JSON.parse(Buffer.from(header, 'base64').toString()) as {
      accepted: { extra: { invoice: string } }
      payload: { invoiceId: string; channelId: string; instructionKey: string; amount: string; signature: string }
    }
    const { payload } = message
    const invoice = JSON.parse(Buffer.from(message.accepted.extra.invoice, 'base64').toString()) as Json
    const digest = hash('rill:proof:v1', ...[payload.invoiceId, wanted, payload.channelId].map((hex) => Buffer.from(hex, 'hex')))
    const good =
      invoice['requestHash'] === wanted &&
      invoice['id'] === payload.invoiceId &&
      payload.amount === invoice['amount'] &&
      this.payer.seen.get(payload.channelId) === payload.instructionKey &&
      verified(payload.instructionKey, digest, payload.signature)
    if (!good) return this.demand(response, wanted, 'invalid_exact_tvm_invoice')

    const text = this.answers.get(payload.invoiceId) ?? `${path} no. ${this.answers.size + 1}`
    this.answers.set(payload.invoiceId, text)
    const receipt = {
      success: true,
      transaction: '',
      network: 'tvm:-3',
      payer: payload.channelId,
      amount: payload.amount,
      extra: { invoiceId: mood === 'wrong_receipt' ? '00'.repeat(32) : payload.invoiceId },
    }
    if (mood === 'strange') {
      // No parser of ours in between: a status line and a header as servers do send them.
      const head = ['HTTP/1.1 200 Bezahlt \u2713', 'x-shop: K\u00e4se \u2713', 'content-type: text/plain; name="\u2713"', 'connection: close']
      this.delivered.push(payload.invoiceId)
      return void response.socket?.end(Buffer.from(`${head.join('\r\n')}\r\n\r\n${text}`))
    }
    response.writeHead(200, { 'content-type': 'text/plain', 'PAYMENT-RESPONSE': Buffer.from(JSON.stringify(receipt)).toString('base64') })
    if (mood === 'half') {
      response.write(text.slice(0, 3))
      return void setTimeout(() => response.destroy(), 20)
    }
    this.delivered.push(payload.invoiceId)
    response.end(text)
  }
}
