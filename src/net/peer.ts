import { debuglog } from 'node:util'
import { attendedClock } from '../attended-clock.ts'
import { Lateness } from '../lateness.ts'
import { type Address, isUnicast, showAddress } from './address/address.ts'
import type { Link } from './link.ts'
import { type Act, Paths, type Transport } from './paths.ts'
import type { BoundedStream } from './wire/bounded-stream.ts'

/** How an address of a peer became known. */
export type AddressSource = 'given' | 'machine' | 'lan' | 'told'

export interface PeerOptions {
  /** The peer's public key, in hexadecimal. */
  readonly key: string
  /** Whether this end decides between paths: its key is the larger one. */
  readonly decides: boolean
  /** Connects to the first of the addresses that answers as this peer. Left out where TCP is off. */
  readonly dial?: ((addresses: readonly Address[], signal: AbortSignal) => Promise<BoundedStream>) | undefined
  /** Takes a stream that was dialled. */
  readonly onDialled: (stream: BoundedStream) => void
  /** Whether a UDX path may come up. */
  readonly mayComeByUdx: () => boolean
  /** Up to how long a round trip TCP to it is good. */
  readonly nearMs: (link: Link) => number
  /** Replication is to go over this link from now on. */
  readonly onCarrier: (link: Link) => void
  /** What carries has changed: it came, moved, or went. */
  readonly onChange: () => void
}

const addressesMax = 8
/** Connections to one peer; two that cross by each transport are four. */
const linksMax = 6
/** Before the next try to reach a peer, the first after it was lost; doubled each time. */
const retryMsMin = 300
const retryMsMax = 15_000
/** Turned away, we come back: its list may have grown. */
const refusedMs = 5000
/** Tries at the addresses that it has told of itself, after it was lost. */
const toldAttemptsMax = 20
/** Both ends dial at once: the one that doesn't decide lets the other go first. */
const courtesyMs = 250
/** After a dial, so long before the next to addresses that it has told meanwhile. */
const toldMs = 5000
/** A connection that lasts so long has worked. */
const provenMs = 5000
/** What the other end says over one connection may come so much later than the end of another. */
const crossingMs = 100

const trace = debuglog('p2psync:peer')

/** How long to wait before the next try, in milliseconds. @param random from 0 to 1, so that not all come at once */
export function retryMs(attempts: number, random: number): number {
  return Math.min(retryMsMin * 2 ** attempts, retryMsMax) * (1 + random / 2)
}

/** The addresses that a peer tells of itself, as far as they can be another machine's, or this one's where it is here. */
function toldBy({ introduction, remoteHost, transport }: Link): readonly Address[] {
  const { port, hosts } = introduction ?? { port: 0, hosts: [] }
  if (port === 0) return []
  const told = [...(transport === 'udx' ? [remoteHost] : []), ...hosts.filter(isUnicast)]
  return [...new Set(told)].map((host) => ({ host, port }))
}

/** A peer: its addresses, its links, and the TCP connections that we make to it. */
export class Peer {
  readonly key: string
  readonly #options: PeerOptions
  readonly #links = new Map<number, Link>()
  readonly #paths: Paths
  readonly #addresses = new Map<AddressSource, readonly Address[]>()
  readonly #lateness = new Lateness()
  #dialling: AbortController | undefined
  #attempts = 0
  #dialMs = 0
  #lastDialMs = Number.NEGATIVE_INFINITY
  /** Whether a TCP connection that we made has ever come up. */
  #isReachable = false
  #dialTimer: NodeJS.Timeout | undefined
  #decideTimer: NodeJS.Timeout | undefined
  #cancelLost = () => {}
  #closed = false

  constructor(options: PeerOptions) {
    this.key = options.key
    this.#options = options
    this.#paths = new Paths({ decides: options.decides, mayCome: (transport) => this.#mayCome(transport) })
  }

  get links(): readonly Link[] {
    return [...this.#links.values()]
  }

  /** What replication goes over. */
  get carrier(): Link | undefined {
    const path = this.#paths.carrier
    return path === undefined ? undefined : this.#links.get(path.id)
  }

  /** Whether it takes a place among those who are connected. */
  get isAdmitted(): boolean {
    return this.links.some((link) => link.isAdmitted)
  }

  /** Whether there is any reason to remember it. */
  get isKnown(): boolean {
    return this.#links.size > 0 || this.#addresses.size > 0
  }

  /** Whether the user has named it: nobody would name it again. */
  get isGiven(): boolean {
    return this.#addresses.has('given')
  }

  /** Takes what one source says of its addresses; none is a farewell. */
  reachableAt(source: AddressSource, addresses: readonly Address[]): void {
    const before = this.#addresses.get(source)
    if (addresses.length === 0) this.#addresses.delete(source)
    else this.#addresses.set(source, addresses)
    if (JSON.stringify(before ?? []) !== JSON.stringify(addresses)) {
      if (source === 'told') this.#retrySoon()
      else this.retryNow()
    } else if (this.#links.size === 0) {
      // Heard again: what kept it from answering may be over.
      this.#dialMs = Math.min(this.#dialMs, performance.now() + courtesyMs)
      this.#consider()
    }
  }

  /** Forgets how long it was to wait: something has changed. */
  retryNow(): void {
    this.#attempts = 0
    this.#dialMs = this.#options.decides ? 0 : performance.now() + courtesyMs
    this.#consider()
  }

  /** Whoever has the secret can tell us any address, and another every time: those that he names aren't dialled all the time. */
  #retrySoon(): void {
    this.#dialMs = Math.min(this.#dialMs, Math.max(performance.now(), this.#lastDialMs + toldMs))
    this.#consider()
  }

  /** A link was made to it or from it; it proves itself yet. */
  add(link: Link): void {
    this.#links.set(link.id, link)
    link.shareLateness(this.#lateness)
    // One that decides may let as many stand as it likes.
    if (this.#links.size > linksMax) this.links.find((other) => other !== this.carrier)?.close()
  }

  up(link: Link): void {
    if (link.transport === 'tcp' && link.dialledBy === 'us') this.#isReachable = true
    // Both have dialled, and theirs is up: ours would only take its place. They can't do the same, as for ours to be up
    // at their end we must have it.
    else if (link.transport === 'tcp') this.#dialling?.abort()
    this.reachableAt('told', toldBy(link))
    const { id, transport, dialledBy, openedMs, rttMs } = link
    const upMs = performance.now()
    const path = { id, transport, dialledBy, openedMs, upMs, rttMs, nearMs: this.#options.nearMs(link) }
    this.#do(this.#paths.up(path, upMs))
  }

  measured(link: Link, rttMs: number): void {
    this.#do(this.#paths.measured(link.id, rttMs, performance.now()))
    this.#consider()
  }

  /** The other end has said that it replicates over a link. */
  told(link: Link): void {
    this.#paths.told(link.id, performance.now())
    this.#options.onCarrier(link)
    this.#options.onChange()
  }

  /** The other end has lost what carried: so have we, though we may not know yet. */
  lost(over: Link): void {
    for (const link of this.links) if (link.carries && link !== over) link.close()
  }

  refused(): void {
    this.#dialMs = performance.now() + refusedMs
  }

  down(link: Link): void {
    if (!this.#links.delete(link.id)) return
    const nowMs = performance.now()
    const path = this.#paths.get(link.id)
    if (path !== undefined && nowMs - path.upMs >= provenMs) this.#attempts = 0
    const wasCarrier = this.carrier === undefined && link.carries
    this.#do(this.#paths.down(link.id, nowMs))
    // The end that decides may hear of it much later.
    if (wasCarrier && !this.#options.decides) this.#sayLostSoon()
    if (link.transport === 'tcp') this.#later()
    // Nothing but its own word speaks for them.
    if (this.#links.size === 0 && !this.#isReachable) this.#addresses.delete('told')
    this.#options.onChange()
    this.#consider()
  }

  /** Not at once: the other end may have ended it for another, and word of that comes over another connection. */
  #sayLostSoon(): void {
    this.#cancelLost()
    this.#cancelLost = attendedClock.after(crossingMs, () => {
      if (this.carrier === undefined) for (const link of this.links) link.sayLost()
    })
  }

  /** After a change of the network, what doesn't answer is let go. */
  probe(): void {
    for (const link of this.#links.values()) link.probe()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#dialTimer)
    clearTimeout(this.#decideTimer)
    this.#cancelLost()
    this.#addresses.clear()
    this.#dialling?.abort()
    const { links } = this
    // Nothing is to be moved to the next while one goes after the other.
    this.#links.clear()
    for (const link of links) link.close()
  }

  #mayCome(transport: Transport): boolean {
    if (transport === 'udx') return this.#options.mayComeByUdx()
    return this.#dialling !== undefined || this.links.some((link) => link.transport === 'tcp')
  }

  #do(acts: readonly Act[]): void {
    for (const act of acts) {
      const link = this.#links.get(act.id)
      if (act.type === 'drop') link?.close()
      else if (link !== undefined) {
        link.carry()
        this.#options.onCarrier(link)
        this.#options.onChange()
      }
    }
    clearTimeout(this.#decideTimer)
    const { dueMs } = this.#paths
    if (dueMs === undefined) return
    // A fraction would be cut off, and it would be too early.
    const ms = Math.max(0, Math.ceil(dueMs - performance.now()) + 1)
    this.#decideTimer = setTimeout(() => this.#do(this.#paths.decide(performance.now())), ms)
  }

  #later(): void {
    this.#dialMs = Math.max(this.#dialMs, performance.now() + retryMs(this.#attempts, Math.random()))
    // What it once said of itself is believed for some minutes.
    if (++this.#attempts > toldAttemptsMax) this.#addresses.delete('told')
  }

  /** Dials, now or when it is time, where a TCP connection is of use and none is there or on its way. */
  #consider(): void {
    const { dial } = this.#options
    clearTimeout(this.#dialTimer)
    if (dial === undefined || this.#dialling !== undefined || this.#addresses.size === 0) return
    if (this.links.some(({ transport }) => transport === 'tcp')) return
    if (!this.#paths.wouldTakeTcp) return
    const ms = Math.ceil(this.#dialMs - performance.now())
    if (ms > 0) {
      this.#dialTimer = setTimeout(() => this.#consider(), ms + 1)
      return
    }
    const addresses = [...this.#addresses.values()].flat()
    const distinct = new Map(addresses.map((address) => [`${address.host} ${address.port}`, address]))
    this.#dial(dial, [...distinct.values()].slice(0, addressesMax))
  }

  #dial(dial: NonNullable<PeerOptions['dial']>, addresses: readonly Address[]): void {
    const dialling = new AbortController()
    trace('%s: dialling %s', this.key.slice(0, 8), addresses.map(showAddress).join(', '))
    this.#dialling = dialling
    this.#lastDialMs = performance.now()
    dial(addresses, dialling.signal)
      .then(
        (stream) => {
          if (dialling.signal.aborted) stream.stream.destroy()
          else this.#options.onDialled(stream)
        },
        () => {
          if (!dialling.signal.aborted) this.#later()
        }
      )
      .finally(() => {
        this.#dialling = undefined
        if (this.#closed) return
        this.#do(this.#paths.decide(performance.now()))
        this.#consider()
      })
  }
}
