import { debuglog } from 'node:util'
import type SecretStream from '@hyperswarm/secret-stream'
import * as c from 'compact-encoding'
import { sign, verify } from 'hypercore-crypto'
import Protomux, { type Channel, type Message } from 'protomux'
import { attendedClock } from '../attended-clock.ts'
import { type Lateness, patienceMs, type TimeLimit } from '../lateness.ts'
import { decodeIntroduction, encodeIntroduction, type Introduction } from './introduction.ts'
import type { Transport } from './paths.ts'
import { proofOf } from './rendezvous.ts'
import { keepAliveMs, Silence } from './silence.ts'
import type { KeyPair } from './wire/key-pair.ts'

/** Why a peer that knows the secret is turned away all the same. */
export type Refusal = 'not-allowed' | 'full'

/** What we say of ourselves, but for what is bound to a stream. */
export type Self = Omit<Introduction, 'machine' | 'signature'>

export interface LinkOptions {
  readonly transport: Transport
  readonly dialledBy: 'us' | 'them'
  /** What both ends must know. */
  readonly secret: Uint8Array
  /** The public key, in hexadecimal, that the peer or its machine has to have; any when left out. */
  readonly expected?: string | undefined
  /** The keys of this machine. */
  readonly machine: KeyPair
  readonly self: () => Self
  /** Whether the peer may stay; asked when it has proven all. */
  readonly admit: (link: Link) => Refusal | undefined
  /** Whether the kernel would tell of the other end's end: silence means nothing there. */
  readonly isLocal: (link: Link) => boolean
  /** It is proven, introduced and admitted, and an answer has come. */
  readonly onUp: (link: Link) => void
  readonly onRtt: (link: Link, rttMs: number) => void
  /** The other end replicates over it. */
  readonly onCarry: (link: Link) => void
  /** The other end has lost what carried. */
  readonly onLost: (link: Link) => void
  readonly onRefused: (link: Link, reason: Refusal) => void
  readonly onClose: (link: Link) => void
  /** Called when the other end has proven that it knows the secret, has introduced itself and was admitted. */
  readonly onTrusted: () => void
}

const protocol = 'p2psync/link/1'
/** Introduction and first answer must come in this time; more of it on a machine that is busy. */
const openLimit: TimeLimit = { minMs: 5000, maxMs: 30_000 }
/** The proof in this, however busy the machine is: a stranger who keeps it busy must not gain time by that. */
const proofMsMax = 5000
/** How often to check whether the other end is still there. */
const lookMs = 1000
/** Round trips are measured a few times at once, since other work makes single ones look long, and then now and then. */
const morePingsMs = [40, 120, 300] as const
const pingMs = 5000
/** After something happened to the network, an answer must come in this time. */
const answerLimit: TimeLimit = { minMs: 1500, maxMs: 30_000 }
const refusals: readonly Refusal[] = ['not-allowed', 'full']

const trace = debuglog('p2psync:link')

let lastId = 0

/**
 * One authenticated stream to a peer, with a channel of ours on it, on which both ends prove that they know the
 * secret before anything else is said. What is meant to be replicated goes over the same stream, once `carry` was said.
 */
export class Link {
  readonly id = ++lastId
  readonly stream: SecretStream
  readonly transport: Transport
  readonly dialledBy: 'us' | 'them'
  readonly openedMs = performance.now()
  /** The least round trip, in milliseconds. */
  rttMs = Number.POSITIVE_INFINITY
  introduction: Introduction | undefined
  /** Whether the other end has proven that it knows the secret. */
  isProven = false
  /** Whether it is introduced besides, and may stay. */
  isAdmitted = false
  /** Whether an answer has come besides. */
  isUp = false
  /** Whether something replicates over it. */
  carries = false
  /** Why it closed, where we know. */
  reason: Refusal | 'not-proven' | undefined
  readonly #options: LinkOptions
  readonly #channel: Channel
  readonly #introduce: Message<Uint8Array>
  readonly #carry: Message<null>
  readonly #ping: Message<number>
  readonly #pong: Message<number>
  readonly #refuse: Message<number>
  readonly #lost: Message<null>
  readonly #pings = new Map<number, number>()
  readonly #cancels = new Set<() => void>()
  readonly #openedMs = attendedClock.now()
  readonly #silence = new Silence(this.#openedMs)
  /** How often anything has come. */
  #heard = 0
  #lastPing = 0
  #owedPong: number | undefined
  #closed = false

  /** @param stream whose handshake is done */
  constructor(stream: SecretStream, options: LinkOptions) {
    this.stream = stream
    this.transport = options.transport
    this.dialledBy = options.dialledBy
    this.#options = options
    // A connection that breaks is normal; its end is what counts.
    stream.on('error', (error) => this.#trace('breaks: %s', error))
    stream.once('close', () => this.#onClose())
    stream.setKeepAlive(keepAliveMs)
    this.#watch()
    const channel = Protomux.from(stream).createChannel<Uint8Array>({
      protocol,
      handshake: c.fixed32,
      onopen: (proof) => this.#onProof(proof),
      onclose: () => stream.destroy(),
      ondrain: () => this.#answer()
    })
    if (channel === null) throw new Error('A stream takes one link')
    this.#channel = channel
    const message = <T>(encoding: c.Encoder<T>, onMessage: (value: T) => void): Message<T> =>
      channel.addMessage({ encoding, onmessage: (value) => this.#listens && onMessage(value) })
    this.#introduce = message(c.buffer, (bytes) => this.#onIntroduction(bytes))
    this.#carry = message(c.none, () => this.#onCarry())
    this.#ping = message(c.uint, (number) => this.#onPing(number))
    this.#pong = message(c.uint, (number) => this.#onPong(number))
    this.#refuse = message(c.uint, (reason) => this.#onRefused(reason))
    this.#lost = message(c.none, () => this.isUp && options.onLost(this))
    channel.open(this.#proof(stream.isInitiator))
    this.#trace('opened, dialled by %s, to %s:%d', options.dialledBy, this.remoteHost, this.remotePort)
  }

  /** The peer's public key, in hexadecimal. */
  get peer(): string {
    return this.stream.remotePublicKey.toString('hex')
  }

  /** The peer's host, as the transport sees it. */
  get remoteHost(): string {
    return this.stream.rawStream.remoteHost ?? '?'
  }

  get remotePort(): number {
    return this.stream.rawStream.remotePort ?? 0
  }

  /** Our address on this connection, where the transport tells. */
  get localHost(): string | undefined {
    return this.stream.rawStream.localHost
  }

  /** Says that this end replicates over it from now on. */
  carry(): void {
    this.carries = true
    this.#trace('carries, we say')
    this.#carry.send(null)
    this.#sendPing()
  }

  /** Says that what carried is lost at this end. */
  sayLost(): void {
    this.#lost.send(null)
  }

  /** Ends the connection unless anything comes soon. */
  probe(): void {
    const heard = this.#heard
    this.#sendPing()
    this.#after(patienceMs(answerLimit, this.#lateMs), () => {
      if (this.#heard !== heard || this.#options.isLocal(this)) return
      this.#trace('does not answer')
      this.stream.destroy()
    })
  }

  /** Waits for it as for other connections to the same peer, and the other way round. */
  shareLateness(lateness: Lateness): void {
    this.#silence.share(lateness, attendedClock.now())
  }

  /** Ends the connection when it doesn't come up, or nothing comes for long. */
  #watch(): void {
    // Not the bytes of the wire: under a limit those that came at once are handed on for many seconds.
    this.stream.rawStream.on('data', () => {
      this.#heard++
      this.#silence.heard(attendedClock.now())
    })
    this.#every(lookMs, () => {
      if (!(this.isUp ? this.#isSilent : this.#isLateToOpen)) return
      this.#trace(this.isUp ? 'is silent' : 'does not come up')
      this.stream.destroy()
    })
  }

  get #isSilent(): boolean {
    return this.#silence.isOver(attendedClock.now(), attendedClock.lateMs) && !this.#options.isLocal(this)
  }

  get #isLateToOpen(): boolean {
    const limitMs = this.isProven ? patienceMs(openLimit, this.#lateMs) : proofMsMax
    return attendedClock.now() - this.#openedMs >= limitMs
  }

  /** How late either end has been lately. */
  get #lateMs(): number {
    return Math.max(attendedClock.lateMs, this.#silence.lateMs(attendedClock.now()))
  }

  /** Bytes on the wire so far. */
  get traffic(): { readonly received: number; readonly sent: number } {
    const { bytesReceived = 0, bytesTransmitted = 0 } = this.stream.rawStream
    return { received: bytesReceived, sent: bytesTransmitted }
  }

  refuse(reason: Refusal): void {
    this.isAdmitted = false
    this.#refuse.send(refusals.indexOf(reason))
    this.reason = reason
    this.stream.end()
    this.#after(1000, () => this.stream.destroy())
  }

  close(): void {
    this.stream.destroy()
  }

  /** What comes in one frame with a wrong proof, or with what ended the link, comes here though the stream has ended. */
  get #listens(): boolean {
    return this.isProven && this.reason === undefined && !this.stream.destroying
  }

  #proof(initiator: boolean): Buffer {
    return proofOf(this.#options.secret, this.stream.handshakeHash, initiator ? 'initiator' : 'responder')
  }

  #onProof(proof: Uint8Array): void {
    // What is compared is no secret, and of one use: how long that takes tells nothing.
    if (!this.#proof(!this.stream.isInitiator).equals(proof)) {
      this.reason = 'not-proven'
      this.stream.destroy()
      return
    }
    this.isProven = true
    this.#trace('proven')
    const { machine, self } = this.#options
    const signature = sign(this.#signed(this.stream.isInitiator), machine.secretKey)
    this.#introduce.send(encodeIntroduction({ ...self(), machine: machine.publicKey, signature }))
  }

  #signed(initiator: boolean): Buffer {
    const side = initiator ? 'initiator' : 'responder'
    return Buffer.concat([Buffer.from(`p2psync machine 1 ${side} `), this.stream.handshakeHash])
  }

  #onIntroduction(bytes: Uint8Array): void {
    if (this.introduction !== undefined) return
    this.introduction = this.#checked(bytes)
    if (this.introduction === undefined || !this.#isExpected(this.introduction)) {
      this.#trace('introduced itself by nonsense, or as another than was to be there')
      this.isProven = false
      this.stream.destroy()
      return
    }
    const refusal = this.#options.admit(this)
    if (refusal !== undefined) {
      this.refuse(refusal)
      return
    }
    this.isAdmitted = true
    // Not before: who only has the secret and says nothing more could come any number of times.
    this.#options.onTrusted()
    // The first goes at once: it is answered before `carry` can come.
    this.#sendPing()
    for (const ms of morePingsMs) this.#after(ms, () => this.#sendPing())
    this.#every(pingMs, () => this.#sendPing())
  }

  /** Never throws: Protomux takes a RangeError for a mistake of ours, and ends the process. */
  #checked(bytes: Uint8Array): Introduction | undefined {
    try {
      const introduction = decodeIntroduction(bytes)
      const { machine, signature } = introduction
      return verify(this.#signed(!this.stream.isInitiator), signature, machine) ? introduction : undefined
    } catch {
      return undefined
    }
  }

  #isExpected({ machine }: Introduction): boolean {
    const { expected } = this.#options
    return expected === undefined || expected === this.peer || expected === Buffer.from(machine).toString('hex')
  }

  #sendPing(): void {
    const number = ++this.#lastPing
    this.#pings.set(number, performance.now())
    // What isn't answered for long is forgotten.
    this.#pings.delete(number - 32)
    this.#ping.send(number)
  }

  /** Only the last of several is answered where what we send isn't read: it must not pile up. */
  #onPing(number: number): void {
    this.#owedPong = number
    if (this.#channel.drained) this.#answer()
  }

  #answer(): void {
    if (this.#owedPong !== undefined) this.#pong.send(this.#owedPong)
    this.#owedPong = undefined
  }

  #onPong(number: number): void {
    const sentMs = this.#pings.get(number)
    if (sentMs === undefined) return
    // It answers those before it too.
    for (const sent of this.#pings.keys()) if (sent <= number) this.#pings.delete(sent)
    const rttMs = performance.now() - sentMs
    this.rttMs = Math.min(this.rttMs, rttMs)
    if (this.isUp) this.#options.onRtt(this, rttMs)
    else {
      this.isUp = true
      // Nothing else is on its way yet: it tells how fast the other end answers.
      this.#silence.answered(rttMs, attendedClock.now())
      this.#options.onUp(this)
    }
  }

  #onCarry(): void {
    if (this.introduction === undefined || this.carries) return
    // It has answered whatever we asked of it: the other end says so first only when it has our introduction.
    if (!this.isUp) {
      this.isUp = true
      this.#options.onUp(this)
    }
    this.carries = true
    this.#trace('carries, they say')
    this.#options.onCarry(this)
  }

  #onRefused(number: number): void {
    const reason = refusals[number]
    if (reason === undefined) return
    this.reason = reason
    this.#options.onRefused(this, reason)
    this.stream.destroy()
  }

  #onClose(): void {
    this.#closed = true
    this.#trace('closed, %s', this.reason ?? (this.isUp ? 'was up' : this.isProven ? 'was proven' : 'was not proven'))
    for (const cancel of this.#cancels) cancel()
    this.#options.onClose(this)
  }

  #trace(what: string, ...details: unknown[]): void {
    trace(`%s %d with %s: ${what}`, this.transport, this.id, this.peer.slice(0, 8), ...details)
  }

  #after(ms: number, act: () => void): void {
    const cancel = attendedClock.after(ms, () => {
      this.#cancels.delete(cancel)
      if (!this.#closed) act()
    })
    this.#cancels.add(cancel)
  }

  #every(ms: number, act: () => void): void {
    this.#after(ms, () => {
      act()
      this.#every(ms, act)
    })
  }
}
