import type { Duplex } from 'node:stream'
import { readIdentity } from '../disk/state/identity.ts'
import { SyncError, systemCode } from '../errors.ts'
import type { Monitor } from '../folder/monitor.ts'
import { type LogStore, parseKey, printKey, type StoreKeyPair } from '../log/hypercore/store.ts'
import type { Address } from '../net/address/address.ts'
import type { Refusal } from '../net/link.ts'
import { Network } from '../net/network.ts'
import type { StaticPeer } from '../net/static-peers.ts'
import type { Limits, NetworkEvent, PeerStatus } from '../net/status.ts'
import { isSilence } from '../silence.ts'
import { AllowList } from './allow-list.ts'
import { describeNotAllowed, explainNoPeers } from './explain-no-peers.ts'
import { isLanForbidden } from './lan-switch.ts'
import { LiveLimits } from './live-limits.ts'

export type { Address } from '../net/address/address.ts'
export type { Limits, PeerStatus } from '../net/status.ts'

/** How a folder finds its peers, and who they may be. */
export interface ConnectOptions {
  /** The first nodes of the DHT to join; the public one when left out, none with an empty list. */
  readonly bootstrap?: readonly Address[]
  /** Whether to look for peers on the local networks, by multicast. True when left out; never with P2PSYNC_NO_LAN=1. */
  readonly lan?: boolean
  /** Whether to take and make TCP connections, which the local networks and this machine need. True when left out. */
  readonly tcp?: boolean
  /** The TCP port; any that is free when left out. */
  readonly port?: number
  /** One of this machine's addresses to take TCP connections at; all when left out. */
  readonly listen?: string
  /** Peers to connect to besides those that are found. */
  readonly peers?: readonly PeerAddress[]
  /** The machines that may connect, by the public keys that `id` prints; all who have the key when left out. */
  readonly allow?: readonly string[]
  /** Bytes per second to and from all peers together. */
  readonly limits?: Limits
}

/** Where a peer is, and its public key where that is known: nobody else is taken for it then. */
export interface PeerAddress extends Address {
  readonly key?: string
}

/** Bytes that went over the network, all peers together. */
export interface Traffic {
  readonly received: number
  readonly sent: number
}

export interface ConnectionsOptions {
  /** What all peers know, and nobody else. */
  readonly secret: Uint8Array
  /** Whether this end mostly sends. */
  readonly sends: boolean
  /** Where the list of those who may connect lies. */
  readonly home: string
  /** Whether peers near by aren't to find it. */
  readonly isHidden?: boolean
}

interface WithFailure {
  readonly onFailure: (error: Error) => void
}

/** Alone for so long, it is said why. */
const aloneMs = 10_000
/** How often it is told what comes from and goes to each peer, where anything does. */
const trafficMs = 5000

/** Replicates a store with every peer that the network finds, and tells of them. */
export class Connections {
  readonly #monitor: Monitor
  readonly #store: LogStore
  readonly #options: ConnectionsOptions & ConnectOptions & WithFailure
  readonly #counted = new Map<string, Traffic>()
  readonly #refused = new Set<string>()
  #network: Network | undefined
  /** This machine's public key, as others list it. */
  #id = ''
  #allowList: AllowList | undefined
  #limits: LiveLimits | undefined
  #trafficTimer: NodeJS.Timeout | undefined
  #aloneTimer: NodeJS.Timeout | undefined
  #hadPeers = false
  #closed = false
  #twinTold = false

  constructor(monitor: Monitor, store: LogStore, options: ConnectionsOptions & ConnectOptions & WithFailure) {
    this.#monitor = monitor
    this.#store = store
    this.#options = options
  }

  /** @throws {SyncError} PORT_IN_USE, BAD_KEY for a public key that is none */
  async start(): Promise<void> {
    const { secret, sends, bootstrap, lan, tcp, port, listen, peers, limits } = this.#options
    this.#allowList = new AllowList({
      home: this.#options.home,
      given: this.#options.allow,
      onChange: (machines) => this.#network?.allow(machines),
      onNotice: (message) => this.#monitor.emit({ type: 'notice', message })
    })
    this.#limits = new LiveLimits({
      home: this.#options.home,
      given: limits,
      onChange: (changed) => this.#network?.limit(changed),
      onNotice: (message) => this.#monitor.emit({ type: 'notice', message })
    })
    const machine = await this.#machine()
    this.#id = printKey(machine.publicKey)
    const network = new Network({
      keyPair: await this.#store.identity(),
      machine,
      secret,
      sends,
      bootstrap,
      lan: lan !== false && !isLanForbidden(),
      isHidden: this.#options.isHidden,
      tcp: tcp === false ? false : { port, host: listen },
      peers: peers?.map(givenPeer),
      allow: this.#allowList.machines,
      limits: this.#limits.current,
      onCarrier: (stream) => this.#replicate(stream),
      onEvent: (event) => this.#onEvent(event)
    })
    this.#network = network
    await network.start()
    if (this.#closed) return
    this.#trafficTimer = setInterval(() => this.#tellTraffic(), trafficMs)
    this.#waitAlone()
  }

  get peers(): readonly PeerStatus[] {
    return this.#network?.peers ?? []
  }

  get traffic(): Traffic {
    return this.#network?.traffic ?? { received: 0, sent: 0 }
  }

  get whyAlone(): string | undefined {
    return this.#network && explainNoPeers(this.#network.status, { machine: this.#id, isSource: this.#options.sends })
  }

  /** What counts now, also as it was changed since the start. */
  get limits(): Limits | undefined {
    return this.#limits?.current
  }

  limit(limits: Limits): void {
    if (this.#limits !== undefined) this.#limits.current = limits
    this.#network?.limit(limits)
  }

  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#trafficTimer)
    this.#allowList?.close()
    this.#limits?.close()
    await this.#network?.close()
    clearTimeout(this.#aloneTimer)
  }

  /** Without an identity of the machine the folder still finds its peers: those who list nobody. */
  async #machine(): Promise<StoreKeyPair> {
    try {
      return readIdentity()
    } catch (error) {
      if (!(error instanceof SyncError)) throw error
      this.#monitor.emit({ type: 'notice', message: `Peers won't know which machine this is. ${error.message}` })
      return this.#store.machine()
    }
  }

  #replicate(stream: Duplex): void {
    // What can't be read for a peer ends the connection to it, with the engine's error.
    stream.on('error', (error) => {
      if (systemCode(error) === 'EIO') this.#options.onFailure(error)
    })
    this.#store.replicate(stream)
  }

  #onEvent(event: NetworkEvent): void {
    if (event.type === 'peer') {
      this.#hadPeers = true
      this.#emitPeer(event.state, event.peer, noTraffic)
      if (event.state === 'disconnected') this.#counted.delete(event.peer.key)
      this.#waitAlone()
    } else if (event.type === 'twin') {
      this.#tellTwin(event.address)
    } else if (event.type === 'stranger') {
      const message = `Who answers at ${event.address} doesn't have this folder, or isn't p2psync`
      this.#monitor.emit({ type: 'notice', message })
    } else this.#tellRefused(event)
  }

  #tellTwin(address: string): void {
    const message =
      `The peer at ${address} and another have the same store: one was copied from the other, and each takes the ` +
      "other's place again and again. Start the copy once with --rebuild"
    if (!this.#twinTold) this.#monitor.emit({ type: 'notice', message })
    this.#twinTold = true
  }

  /** Once for each: they come back again and again. */
  #tellRefused({ by, reason, machine, address }: Extract<NetworkEvent, { type: 'refused' }>): void {
    const id = `${by} ${reason} ${machine}`
    if (this.#refused.has(id) || this.#refused.size > refusedMax) return
    this.#refused.add(id)
    const message =
      this.#refused.size > refusedMax
        ? 'So many peers were turned away that no more of them are told of'
        : by === 'us'
          ? describeOurs(reason, printed(machine), address)
          : describeTheirs(reason, this.#id, address)
    this.#monitor.emit({ type: 'notice', message })
  }

  #waitAlone(): void {
    clearTimeout(this.#aloneTimer)
    if (this.#closed || (this.#network?.connectedCount ?? 0) > 0) return
    this.#aloneTimer = setTimeout(() => {
      if (!this.#isExpectedAlone) {
        this.#monitor.emit({
          type: 'notice',
          message: `No peer ${this.#hadPeers ? 'any more' : 'yet'}. ${this.whyAlone}`
        })
      }
    }, aloneMs)
    this.#aloneTimer.unref()
  }

  /** Whether there is nothing to be said of it. */
  get #isExpectedAlone(): boolean {
    const { refusedBy, unreachable, dht } = this.#network?.status ?? noStatus
    // Who turns us away was told of when it did. A source is alone whenever nobody wants anything of it.
    const isFine = unreachable === 0 && (dht !== 'unreachable' || this.#hadPeers)
    return refusedBy.length > 0 || (this.#options.sends && isFine)
  }

  #tellTraffic(): void {
    for (const peer of this.peers) {
      const before = this.#counted.get(peer.key) ?? noTraffic
      const { received, sent } = peer
      this.#counted.set(peer.key, { received, sent })
      // A connection that replaces another counts anew.
      const since = { received: Math.max(0, received - before.received), sent: Math.max(0, sent - before.sent) }
      if (!isSilence(since.received + since.sent)) this.#emitPeer('traffic', peer, since)
    }
  }

  #emitPeer(state: PeerState, peer: PeerStatus, { received, sent }: Traffic): void {
    const perSecond = (bytes: number) => Math.round((bytes * 1000) / trafficMs)
    const { key, machine, address, transport, distance, rttMs } = peer
    this.#monitor.emit({
      type: 'peer',
      state,
      peer: key,
      machine: printed(machine),
      address,
      transport,
      distance,
      rttMs: Math.round(rttMs * 10) / 10,
      receiveRate: perSecond(received),
      sendRate: perSecond(sent),
      peers: this.#network?.connectedCount ?? 0
    })
  }
}

type PeerState = 'connected' | 'moved' | 'traffic' | 'disconnected'

const noTraffic: Traffic = { received: 0, sent: 0 }
const noStatus = { refusedBy: [], unreachable: 0, dht: 'off' } as const
/** Of so many that were turned away it is told: whoever has the key can come under any number of names. */
const refusedMax = 50

/** @throws {SyncError} BAD_KEY */
function givenPeer({ host, port, key }: PeerAddress): StaticPeer {
  return { host, port, ...(key === undefined ? {} : { key: parseKey(key) }) }
}

function printed(hex: string): string {
  return hex === '' ? '' : printKey(Buffer.from(hex, 'hex'))
}

function describeOurs(reason: Refusal, machine: string, address: string): string {
  if (reason === 'full') return `A peer at ${address} was turned away: there are as many as there may be`
  return (
    `A peer at ${address} was turned away: the public key of its machine, ${machine}, is not on the list of those ` +
    'who may connect. To let it in give --allow, or add it as a line to .p2psync/allow'
  )
}

function describeTheirs(reason: Refusal, ourMachine: string, address: string): string {
  if (reason === 'not-allowed') return describeNotAllowed(address, ourMachine)
  return `The peer at ${address} turns us away: it has as many peers as it may have. It is asked again`
}
