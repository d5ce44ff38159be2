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
  /** Identifies the folder: 32 hexadecimal digits. */
  readonly id: string
  /** This end's public key, in hexadecimal. */
  readonly publicKey: string
  /** The port of our TCP server. */
  readonly port: number
  readonly interfaces: Interfaces
  /**
   * Called with all current addresses of a peer, the last heard first; with none when it said goodbye or expired.
   * Called again when an unchanged peer is heard: after an outage that may be the moment to dial.
   */
  readonly onPeer: (publicKey: string, addresses: readonly Address[]) => void
  /** Whether to look for others without announcing itself. */
  readonly isHidden?: boolean | undefined
}

const trace = debuglog('p2psync:lan')

const checkMs = 1000
const queryMs = 5000
/** Spreads the queries of machines that were switched on together. */
const queryJitterMs = 1000
/** The least time between answers, however many queries arrive. */
const answerMs = 250
/** Greetings sent to a newly joined network, `checkMs` apart, since packets get lost. */
const greetings = 3
/** A machine with many containers has an interface for each. */
const socketsMax = 32
const goodbyeMsMax = 200

interface Station {
  readonly socket: LanSocket
  /** Greetings still to send. */
  greetings: number
}

/**
 * Finds the peers of a folder on the local networks, and announces this one, by multicast DNS. Others there see the id,
 * our public key and our port.
 */
export class Lan {
  readonly #options: LanOptions
  readonly #peers: LanPeers
  /** By interface and address. */
  readonly #stations = new Map<string, Station>()
  readonly #unsubscribe: () => void
  readonly #checkTimer: NodeJS.Timeout
  #queryTimer: NodeJS.Timeout | undefined
  #answerTimer: NodeJS.Timeout | undefined
  #answeredMs = Number.NEGATIVE_INFINITY
  #hosts: ReadonlySet<string> = new Set()
  #heard = false
  #closed: Promise<void> | undefined

  constructor(options: LanOptions) {
    this.#options = options
    this.#peers = new LanPeers(options.onPeer)
    this.#unsubscribe = options.interfaces.subscribe(() => this.#updateStations())
    this.#checkTimer = setInterval(() => this.#updateStations(), checkMs)
    this.#checkTimer.unref()
    this.#queryLater()
    this.#updateStations()
  }

  /** Whether any packet came from another machine, which shows that the network carries multicast. */
  get heard(): boolean {
    return this.#heard
  }

  /** Whether sending worked on any network. */
  get working(): boolean {
    return [...this.#stations.values()].some(({ socket }) => socket.works)
  }

  /** Says goodbye to the others first, within `goodbyeMsMax`. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#unsubscribe()
    clearInterval(this.#checkTimer)
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

  /** Opens a socket for each new address, closes those of lost addresses, and drops expired peers. */
  #updateStations(): void {
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
        // The next `#updateStations` tries again.
        if (this.#stations.get(id) === station) this.#stations.delete(id)
      }
    })
    const station: Station = { socket, greetings }
    this.#stations.set(id, station)
  }

  /** Announces this peer to a newly joined network, and queries for others. */
  #greet(station: Station): void {
    if (station.greetings === 0 || this.#closed !== undefined) return
    station.greetings--
    if (!this.#options.isHidden) void station.socket.respond(announce(this.#options))
    void station.socket.query(queryFor(this.#options.id, []))
  }

  #queryLater(): void {
    const ms = queryMs + (Math.random() - 0.5) * queryJitterMs
    this.#queryTimer = setTimeout(() => {
      // Peers heard within half the TTL needn't answer; the other half leaves time for lost packets.
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
    // A query may reach several of our sockets; one answer, sent on all of them, suffices.
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

/** Every IPv4 address, and each interface's link-local IPv6 address, which always exists and reaches the whole link. */
function wantedOf(addresses: readonly LocalAddress[]): ReadonlyMap<string, LocalAddress> {
  const outside = addresses.filter(({ internal }) => !internal)
  const linkLocal = outside.filter(({ family, host }) => family === 'IPv6' && /^fe[89ab]/i.test(host))
  const perInterface = new Map(linkLocal.map((address) => [address.name, address]))
  const ipv4 = outside.filter(({ family }) => family === 'IPv4')
  const wanted = [...ipv4, ...perInterface.values()].slice(0, socketsMax)
  return new Map(wanted.map((address) => [`${address.name} ${address.host}`, address]))
}
