import type { RemoteInfo } from 'node:dgram'
import { setTimeout as sleep } from 'node:timers/promises'
import { debuglog } from 'node:util'
import { attendedClock } from '../../attended-clock.ts'
import { type Address, plainHost } from '../address/address.ts'
import type { Interfaces, LocalAddress } from '../address/interfaces.ts'
import { LanPeers } from './lan-peers.ts'
import { announce, asksFor, type IncomingPacket, queryFor, readAnnouncements, ttlSecondsMax } from './lan-records.ts'
import { LanSocket } from './lan-socket.ts'

export interface LanOptions {
  /** What peers of one folder have in common: 32 hexadecimal digits. */
  readonly id: string
  /** Ours, in hexadecimal. */
  readonly publicKey: string
  /** Of our TCP server. */
  readonly port: number
  readonly interfaces: Interfaces
  /**
   * All addresses at which a peer is now known, the one heard last at first; none when it took its leave or wasn't
   * heard for too long. Called again when a peer is heard though nothing has changed: after an outage that may be
   * the moment to dial.
   */
  readonly onPeer: (publicKey: string, addresses: readonly Address[]) => void
  /** Whether it only looks for others, and can't be found itself. */
  readonly isHidden?: boolean | undefined
}

const trace = debuglog('p2psync:lan')

const lookMs = 1000
const queryMs = 5000
/** Queries of many machines that were switched on together drift apart by so much. */
const queryJitterMs = 1000
/** Whoever asks, and however often: we answer no faster. */
const answerMs = 250
/** Of a packet that says hello one may get lost, so there are so many, a look apart. */
const greetings = 3
/** A machine with many containers has an interface for each. */
const socketsMax = 32
const goodbyeMsMax = 200

/** A socket, and how often it has yet to say hello. */
interface Station {
  readonly socket: LanSocket
  greetings: number
}

/**
 * Finds the peers of a folder on the local networks, and is found, by multicast DNS. What others see there is the
 * id, our public key and our port.
 */
export class Lan {
  readonly #options: LanOptions
  readonly #peers: LanPeers
  /** By interface and address. */
  readonly #stations = new Map<string, Station>()
  readonly #unsubscribe: () => void
  readonly #lookTimer: NodeJS.Timeout
  #queryTimer: NodeJS.Timeout | undefined
  #answerTimer: NodeJS.Timeout | undefined
  #answeredMs = Number.NEGATIVE_INFINITY
  #hosts: ReadonlySet<string> = new Set()
  #heard = false
  #closed: Promise<void> | undefined

  constructor(options: LanOptions) {
    this.#options = options
    this.#peers = new LanPeers(options.onPeer)
    this.#unsubscribe = options.interfaces.subscribe(() => this.#look())
    this.#lookTimer = setInterval(() => this.#look(), lookMs)
    this.#lookTimer.unref()
    this.#queryLater()
    this.#look()
  }

  /** Whether anything came from another machine: then the network carries multicast. */
  get heard(): boolean {
    return this.#heard
  }

  /** Whether we could send on any network. */
  get working(): boolean {
    return [...this.#stations.values()].some(({ socket }) => socket.works)
  }

  /** Takes its leave of the others first, where that doesn't take long. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#unsubscribe()
    clearInterval(this.#lookTimer)
    clearTimeout(this.#queryTimer)
    clearTimeout(this.#answerTimer)
    const sockets = [...this.#stations.values()].map(({ socket }) => socket)
    this.#stations.clear()
    const farewells = this.#options.isHidden ? [] : sockets
    const goodbye = announce(this.#options, 0)
    const late = new AbortController()
    await Promise.race([
      Promise.all(farewells.map((socket) => socket.respond(goodbye))),
      sleep(goodbyeMsMax, undefined, { signal: late.signal }).catch(() => {})
    ])
    late.abort()
    await Promise.all(sockets.map((socket) => socket.close()))
  }

  /** Opens what is missing, closes what has no address any more, forgets who is gone. */
  #look(): void {
    const { addresses } = this.#options.interfaces
    this.#hosts = new Set(addresses.map(({ host }) => host))
    const wanted = wantedOf(addresses)
    for (const [id, { socket }] of this.#stations) {
      if (wanted.has(id)) continue
      this.#stations.delete(id)
      void socket.close()
    }
    for (const [id, address] of wanted) {
      const station = this.#stations.get(id)
      if (station === undefined) this.#open(id, address)
      else this.#greet(station)
    }
    this.#peers.expire(attendedClock.now())
  }

  #open(id: string, address: LocalAddress): void {
    const socket = new LanSocket({
      address,
      onHeard: (from) => this.#onHeard(from),
      onQuery: (query) => this.#onQuery(query),
      onResponse: (response, from) => this.#onResponse(response, from),
      onReady: () => this.#greet(station),
      onFailure: (error) => {
        trace('%s: %s', id, error.message)
        // The next look tries again.
        if (this.#stations.get(id) === station) this.#stations.delete(id)
      }
    })
    const station: Station = { socket, greetings }
    this.#stations.set(id, station)
  }

  /** Tells a network that was just joined that we are here, and asks who else is. */
  #greet(station: Station): void {
    if (station.greetings === 0 || this.#closed !== undefined) return
    station.greetings--
    if (!this.#options.isHidden) void station.socket.respond(announce(this.#options))
    void station.socket.query(queryFor(this.#options.id, []))
  }

  #queryLater(): void {
    const ms = queryMs + (Math.random() - 0.5) * queryJitterMs
    this.#queryTimer = setTimeout(() => {
      // Whoever was heard lately needn't answer; half of the time, so that an answer may get lost.
      const known = this.#peers.recent((ttlSecondsMax * 1000) / 2, attendedClock.now())
      const query = queryFor(this.#options.id, known)
      for (const { socket } of this.#stations.values()) void socket.query(query)
      this.#queryLater()
    }, ms)
    this.#queryTimer.unref()
  }

  #onHeard({ address }: RemoteInfo): void {
    this.#heard ||= !this.#hosts.has(plainHost(address).split('%')[0] as string)
  }

  #onQuery(query: IncomingPacket): void {
    if (this.#options.isHidden || !asksFor(query, this.#options)) return
    // Each of our sockets hears it, as do those of other networks: one answer is for all.
    if (this.#closed !== undefined || this.#answerTimer !== undefined) return
    const waitMs = Math.max(0, Math.ceil(this.#answeredMs + answerMs - performance.now()))
    this.#answerTimer = setTimeout(() => this.#answer(), waitMs)
    this.#answerTimer.unref()
  }

  #answer(): void {
    this.#answerTimer = undefined
    this.#answeredMs = performance.now()
    const packet = announce(this.#options)
    for (const { socket } of this.#stations.values()) void socket.respond(packet)
  }

  #onResponse(response: IncomingPacket, from: RemoteInfo): void {
    if (this.#closed !== undefined) return
    const [host, nowMs] = [plainHost(from.address), attendedClock.now()]
    for (const { publicKey, port, ttlSeconds } of readAnnouncements(response, this.#options.id)) {
      if (publicKey === this.#options.publicKey) continue
      if (ttlSeconds === 0) this.#peers.left(publicKey, host, nowMs)
      else this.#peers.heard(publicKey, { host, port }, ttlSeconds * 1000, nowMs)
    }
  }
}

/** Each IPv4 address, and of IPv6 the link-local one of each interface: that is there always, and reaches all. */
function wantedOf(addresses: readonly LocalAddress[]): ReadonlyMap<string, LocalAddress> {
  const outside = addresses.filter(({ internal }) => !internal)
  const linkLocal = outside.filter(({ family, host }) => family === 'IPv6' && /^fe[89ab]/i.test(host))
  const one = new Map(linkLocal.map((address) => [address.name, address]))
  const wanted = [...outside.filter(({ family }) => family === 'IPv4'), ...one.values()].slice(0, socketsMax)
  return new Map(wanted.map((address) => [`${address.name} ${address.host}`, address]))
}
