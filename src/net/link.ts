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

/** Why a peer is refused although it knows the secret. */
export type Refusal = 'not-allowed' | 'full'

/** This end's introduction without the fields bound to a stream. */
export type Self = Omit<Introduction, 'machine' | 'signature'>

export interface LinkOptions {
  readonly transport: Transport
  readonly dialledBy: 'us' | 'them'
  /** The secret that both ends must know. */
  readonly secret: Uint8Array
  /** The required public key of the peer or its machine, in hexadecimal; any when left out. */
  readonly expected?: string | undefined
  /** The keys of this machine. */
  readonly machine: KeyPair
  readonly self: () => Self
  /** Why to refuse the peer, if so; called once it is proven and introduced. */
  readonly admit: (link: Link) => Refusal | undefined
  /** Whether the kernel reports the death of the other process, so that silence means nothing. */
  readonly isLocal: (link: Link) => boolean
  /** The link is proven, introduced and admitted, and the peer has answered a ping. */
  readonly onUp: (link: Link) => void
  readonly onRtt: (link: Link, rttMs: number) => void
  /** The other end replicates over this link. */
  readonly onCarry: (link: Link) => void
  /** The other end has lost the link that carried replication. */
  readonly onLost: (link: Link) => void
  readonly onRefused: (link: Link, reason: Refusal) => void
  readonly onClose: (link: Link) => void
  /** The peer is proven, introduced and admitted: it may send any amount. */
  readonly onTrusted: () => void
}

const protocol = 'p2psync/link/1'
/** For introduction and first answer; lateness of either end extends it. */
const openLimit: TimeLimit = { minMs: 5000, maxMs: 30_000 }
/** For the proof, however busy this machine is: a stranger who keeps it busy must not gain time by that. */
const proofMsMax = 5000
/** How often to check for silence. */
const checkMs = 1000
/** Extra pings after the first, since other work can delay a single one; then one every `pingMs`. */
const earlyPingsMs = [40, 120, 300] as const
const pingMs = 5000
/** For an answer after the network has changed. */
const answerLimit: TimeLimit = { minMs: 1500, maxMs: 30_000 }
const refusals: readonly Refusal[] = ['not-allowed', 'full']

const trace = debuglog('p2psync:link')

let lastId = 0

/**
 * One authenticated stream to a peer, with a control channel on which both ends first prove that they know the secret.
 * Replication uses the same stream once either end has sent `carry`.
 */
export class Link {
  readonly id = ++lastId
  readonly stream: SecretStream
  readonly transport: Transport
  readonly dialledBy: 'us' | 'them'
  readonly openedMs = performance.now()
  /** The shortest round trip so far, in milliseconds. */
  rttMs = Number.POSITIVE_INFINITY
  introduction: Introduction | undefined
  /** Whether the other end has proven that it knows the secret. */
  isProven = false
  /** Whether it has also introduced itself, and may stay. */
  isAdmitted = false
  /** Whether it has also answered a ping. */
  isUp = false
  /** Whether replication goes over this link. */
  carries = false
  /** Why it closed, if known. */
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
  /** The number of chunks received. */
  #heard = 0
  #lastPing = 0
  #pendingPong: number | undefined
  #closed = false

  /** @param stream whose handshake is done */
  constructor(stream: SecretStream, options: LinkOptions) {
    this.stream = stream
    this.transport = options.transport
    this.dialledBy = options.dialledBy
    this.#options = options
    // Connections break in normal use; `close` is handled below.
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
      channel.addMessage({ encoding, onmessage: (value) => this.#handlesMessages && onMessage(value) })
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

  /** The peer's host, as the transport reports it. */
  get remoteHost(): string {
    return this.stream.rawStream.remoteHost ?? '?'
  }

  get remotePort(): number {
    return this.stream.rawStream.remotePort ?? 0
  }

  /** The local address of this connection, if the transport reports it. */
  get localHost(): string | undefined {
    return this.stream.rawStream.localHost
  }

  /** Tells the peer that this end replicates over this link from now on. */
  carry(): void {
    this.carries = true
    this.#trace('carries, by our decision')
    this.#carry.send(null)
    this.#sendPing()
  }

  /** Tells the peer that this end has lost the link that carried. */
  sayLost(): void {
    this.#lost.send(null)
  }

  /** Closes the connection unless anything arrives soon. */
  probe(): void {
    const heard = this.#heard
    this.#sendPing()
    this.#after(patienceMs(answerLimit, this.#lateMs), () => {
      if (this.#heard !== heard || this.#options.isLocal(this)) return
      this.#trace('does not answer')
      this.stream.destroy()
    })
  }

  /** Shares the observed lateness with the other connections to the same peer. */
  shareLateness(lateness: Lateness): void {
    this.#silence.share(lateness, attendedClock.now())
  }

  /** Closes the connection when it doesn't come up, or the peer falls silent. */
  #watch(): void {
    // Not the wire's byte count: under a bandwidth limit, bytes received at once are delivered over many seconds.
    this.stream.rawStream.on('data', () => {
      this.#heard++
      this.#silence.heard(attendedClock.now())
    })
    this.#every(checkMs, () => {
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

  /** The recent lateness of either end, in milliseconds. */
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

  /**
   * Whether to handle messages. Those batched into one frame with a wrong proof, or with the message that ended the
   * link, still arrive after the stream was ended.
   */
  get #handlesMessages(): boolean {
    return this.isProven && this.reason === undefined && !this.stream.destroying
  }

  #proof(initiator: boolean): Buffer {
    return proofOf(this.#options.secret, this.stream.handshakeHash, initiator ? 'initiator' : 'responder')
  }

  #onProof(proof: Uint8Array): void {
    // The comparison needn't take constant time: a proof is no secret and is valid for this stream only.
    if (!this.#proof(!this.stream.isInitiator).equals(proof)) {
      this.reason = 'not-proven'
      this.stream.destroy()
      return
    }
    this.isProven = true
    this.#trace('proven')
    const { machine, self } = this.#options
    const signature = sign(this.#signedBytes(this.stream.isInitiator), machine.secretKey)
    this.#introduce.send(encodeIntroduction({ ...self(), machine: machine.publicKey, signature }))
  }

  #signedBytes(initiator: boolean): Buffer {
    const side = initiator ? 'initiator' : 'responder'
    return Buffer.concat([Buffer.from(`p2psync machine 1 ${side} `), this.stream.handshakeHash])
  }

  #onIntroduction(bytes: Uint8Array): void {
    if (this.introduction !== undefined) return
    this.introduction = this.#verifiedIntroduction(bytes)
    if (this.introduction === undefined || !this.#isExpected(this.introduction)) {
      this.#trace('sent an invalid introduction, or is not the expected peer')
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
    // Not before: a peer that proves the secret but never introduces itself could open any number of streams.
    this.#options.onTrusted()
    // Ping at once, so that the answer precedes any `carry`.
    this.#sendPing()
    for (const ms of earlyPingsMs) this.#after(ms, () => this.#sendPing())
    this.#every(pingMs, () => this.#sendPing())
  }

  /** Never throws: Protomux treats a RangeError as a bug in this process, and ends it. */
  #verifiedIntroduction(bytes: Uint8Array): Introduction | undefined {
    try {
      const introduction = decodeIntroduction(bytes)
      const { machine, signature } = introduction
      return verify(this.#signedBytes(!this.stream.isInitiator), signature, machine) ? introduction : undefined
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
    // Bound the map: drop the ping sent 32 pings ago if it is still unanswered.
    this.#pings.delete(number - 32)
    this.#ping.send(number)
  }

  /** Answers only the last of several pings while the peer doesn't read, so that answers don't pile up. */
  #onPing(number: number): void {
    this.#pendingPong = number
    if (this.#channel.drained) this.#answer()
  }

  #answer(): void {
    if (this.#pendingPong !== undefined) this.#pong.send(this.#pendingPong)
    this.#pendingPong = undefined
  }

  #onPong(number: number): void {
    const sentMs = this.#pings.get(number)
    if (sentMs === undefined) return
    // A pong also answers all earlier pings.
    for (const sent of this.#pings.keys()) if (sent <= number) this.#pings.delete(sent)
    const rttMs = performance.now() - sentMs
    this.rttMs = Math.min(this.rttMs, rttMs)
    if (this.isUp) this.#options.onRtt(this, rttMs)
    else {
      this.isUp = true
      // Nothing else is in flight yet, so this round trip shows how fast the peer answers.
      this.#silence.answered(rttMs, attendedClock.now())
      this.#options.onUp(this)
    }
  }

  #onCarry(): void {
    if (this.introduction === undefined || this.carries) return
    // The other end sends `carry` only after it has our introduction, so this counts as an answer.
    if (!this.isUp) {
      this.isUp = true
      this.#options.onUp(this)
    }
    this.carries = true
    this.#trace('carries, by their decision')
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

  #trace(message: string, ...details: unknown[]): void {
    trace(`%s %d with %s: ${message}`, this.transport, this.id, this.peer.slice(0, 8), ...details)
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
