import { debuglog } from 'node:util'
import { attendedClock } from '../attended-clock.ts'
import { Lateness } from '../lateness.ts'
import { type Address, isUnicast, showAddress } from './address/address.ts'
import type { Link } from './link.ts'
import { type Act, Paths, type Transport } from './paths.ts'
import type { BoundedStream } from './wire/bounded-stream.ts'

/**
 * How an address of a peer became known: from the user, from the peer's record on this machine, from its announcement
 * on the local network, or from its introduction.
 */
export type AddressSource = 'static' | 'machine' | 'lan' | 'introduction'

export interface PeerOptions {
  /** The peer's public key, in hexadecimal. */
  readonly key: string
  /** Whether this end decides between paths: its key is the larger one. */
  readonly decides: boolean
  /** Connects to the first of the addresses that answers as this peer. Left out when TCP is off. */
  readonly dial?: ((addresses: readonly Address[], signal: AbortSignal) => Promise<BoundedStream>) | undefined
  /** Takes over a stream that `dial` opened. */
  readonly onDialled: (stream: BoundedStream) => void
  /** Whether a UDX path may come up. */
  readonly mayComeByUdx: () => boolean
  /** The longest round trip, in milliseconds, up to which TCP is good on this link. */
  readonly nearMs: (link: Link) => number
  /** Called when replication goes over this link from now on. */
  readonly onCarrier: (link: Link) => void
  /** Called when the carrier appeared, changed or disappeared. */
  readonly onChange: () => void
}

const addressesMax = 8
/** Connections to one peer; when both ends dial over both transports, there are four. */
const linksMax = 6
/** The pause before the first dial after a loss; doubles with each failure. */
const retryMsMin = 300
const retryMsMax = 15_000
/** The pause after the peer refused us: its allow list may change. */
const refusedMs = 5000
/** Failed dials after which the addresses from a lost peer's introduction are forgotten. */
const introducedAttemptsMax = 20
/** The head start of the end that decides, so that both ends don't dial at once. */
const headStartMs = 250
/** The least time between dials caused by new addresses in introductions. */
const introducedMs = 5000
/** A connection that lasts this long has worked. */
const stableMs = 5000
/** How much later than the close of one connection a message over another may arrive. */
const crossingMs = 100

const trace = debuglog('p2psync:peer')

/** The pause before the next dial, in milliseconds. @param random from 0 to 1, so that peers don't dial in step */
export function retryMs(attempts: number, random: number): number {
  return Math.min(retryMsMin * 2 ** attempts, retryMsMax) * (1 + random / 2)
}

/** The addresses in a peer's introduction that other machines can dial; over UDX also the address that we see. */
function introducedBy({ introduction, remoteHost, transport }: Link): readonly Address[] {
  const { port, hosts } = introduction ?? { port: 0, hosts: [] }
  if (port === 0) return []
  const dialable = [...(transport === 'udx' ? [remoteHost] : []), ...hosts.filter(isUnicast)]
  return [...new Set(dialable)].map((host) => ({ host, port }))
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

  /** The link that carries replication. */
  get carrier(): Link | undefined {
    const path = this.#paths.carrier
    return path === undefined ? undefined : this.#links.get(path.id)
  }

  /** Whether it takes one of the places for connected peers. */
  get isAdmitted(): boolean {
    return this.links.some((link) => link.isAdmitted)
  }

  /** Whether there is any reason to remember it. */
  get isKnown(): boolean {
    return this.#links.size > 0 || this.#addresses.size > 0
  }

  /** Whether its address comes from the user; a forgotten one wouldn't be learnt again. */
  get isStatic(): boolean {
    return this.#addresses.has('static')
  }

  /** Replaces the addresses from one source; an empty list means that the peer left. */
  reachableAt(source: AddressSource, addresses: readonly Address[]): void {
    const before = this.#addresses.get(source)
    if (addresses.length === 0) this.#addresses.delete(source)
    else this.#addresses.set(source, addresses)
    if (JSON.stringify(before ?? []) !== JSON.stringify(addresses)) {
      if (source === 'introduction') this.#retrySoon()
      else this.retryNow()
    } else if (this.#links.size === 0) {
      // It was announced again, so it may be reachable again.
      this.#dialMs = Math.min(this.#dialMs, performance.now() + headStartMs)
      this.#dialIfUseful()
    }
  }

  /** Dials without further pause, since something has changed. */
  retryNow(): void {
    this.#attempts = 0
    this.#dialMs = this.#options.decides ? 0 : performance.now() + headStartMs
    this.#dialIfUseful()
  }

  /**
   * Dials soon, but no more than once in `introducedMs`: a peer can name any address in its introductions, and another
   * each time, so it must not make us dial continuously.
   */
  #retrySoon(): void {
    this.#dialMs = Math.min(this.#dialMs, Math.max(performance.now(), this.#lastDialMs + introducedMs))
    this.#dialIfUseful()
  }

  /** Adds a link, which may still have to prove itself. */
  add(link: Link): void {
    this.#links.set(link.id, link)
    link.shareLateness(this.#lateness)
    // If the other end decides, it may keep any number open.
    if (this.#links.size > linksMax) this.links.find((other) => other !== this.carrier)?.close()
  }

  up(link: Link): void {
    if (link.transport === 'tcp' && link.dialledBy === 'us') this.#isReachable = true
    // Both ends dialled, and their connection is up: ours would only replace it. They can't abort theirs likewise,
    // since ours can't be up at their end before this end has it.
    else if (link.transport === 'tcp') this.#dialling?.abort()
    this.reachableAt('introduction', introducedBy(link))
    const { id, transport, dialledBy, openedMs, rttMs } = link
    const upMs = performance.now()
    const path = { id, transport, dialledBy, openedMs, upMs, rttMs, nearMs: this.#options.nearMs(link) }
    this.#do(this.#paths.up(path, upMs))
  }

  measured(link: Link, rttMs: number): void {
    this.#do(this.#paths.measured(link.id, rttMs, performance.now()))
    this.#dialIfUseful()
  }

  /** Handles the other end's message that it replicates over a link. */
  carriedByPeer(link: Link): void {
    this.#paths.carriedByPeer(link.id, performance.now())
    this.#options.onCarrier(link)
    this.#options.onChange()
  }

  /** Handles the other end's message, received over `over`, that it lost the carrier: that link is dead here, too. */
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
    if (path !== undefined && nowMs - path.upMs >= stableMs) this.#attempts = 0
    const wasCarrier = this.carrier === undefined && link.carries
    this.#do(this.#paths.down(link.id, nowMs))
    // The end that decides may detect the loss much later.
    if (wasCarrier && !this.#options.decides) this.#sayLostSoon()
    if (link.transport === 'tcp') this.#postponeDial()
    // Without a connection that we made, only its own claim speaks for these addresses.
    if (this.#links.size === 0 && !this.#isReachable) this.#addresses.delete('introduction')
    this.#options.onChange()
    this.#dialIfUseful()
  }

  /**
   * Waits first: the other end may have closed it for another link, and its `carry` comes over that other connection.
   */
  #sayLostSoon(): void {
    this.#cancelLost()
    this.#cancelLost = attendedClock.after(crossingMs, () => {
      if (this.carrier === undefined) for (const link of this.links) link.sayLost()
    })
  }

  /** Closes the links that don't answer, after a change of the network. */
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
    // Clear first, so that closing one link doesn't move replication to the next.
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
    // Timers cut off fractions of a millisecond and would fire too early.
    const ms = Math.max(0, Math.ceil(dueMs - performance.now()) + 1)
    this.#decideTimer = setTimeout(() => this.#do(this.#paths.decide(performance.now())), ms)
  }

  #postponeDial(): void {
    this.#dialMs = Math.max(this.#dialMs, performance.now() + retryMs(this.#attempts, Math.random()))
    // Addresses from its introduction are believed for some minutes.
    if (++this.#attempts > introducedAttemptsMax) this.#addresses.delete('introduction')
  }

  /** Dials, now or when the pause is over, if TCP would carry and no TCP connection exists or is being dialled. */
  #dialIfUseful(): void {
    const { dial } = this.#options
    clearTimeout(this.#dialTimer)
    if (dial === undefined || this.#dialling !== undefined || this.#addresses.size === 0) return
    if (this.links.some(({ transport }) => transport === 'tcp')) return
    if (!this.#paths.wouldTakeTcp) return
    const ms = Math.ceil(this.#dialMs - performance.now())
    if (ms > 0) {
      this.#dialTimer = setTimeout(() => this.#dialIfUseful(), ms + 1)
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
          if (!dialling.signal.aborted) this.#postponeDial()
        }
      )
      .finally(() => {
        this.#dialling = undefined
        if (this.#closed) return
        this.#do(this.#paths.decide(performance.now()))
        this.#dialIfUseful()
      })
  }
}
