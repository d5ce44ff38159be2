import type { Duplex } from 'node:stream'
import { readIdentity } from '../disk/state/identity.ts'
import { SyncError, systemCode } from '../errors.ts'
import type { Monitor } from '../folder/monitor.ts'
import { isSilence } from '../keep-alive-bytes.ts'
import { type LogStore, parseKey, printKey, type StoreKeyPair } from '../log/hypercore/store.ts'
import type { Address } from '../net/address/address.ts'
import type { Refusal } from '../net/link.ts'
import { Network } from '../net/network.ts'
import type { StaticPeer } from '../net/static-peers.ts'
import type { Limits, NetworkEvent, PeerStatus } from '../net/status.ts'
import { AllowList } from './allow-list.ts'
import { describeNotAllowed, explainNoPeers } from './explain-no-peers.ts'
import { isLanForbidden } from './lan-switch.ts'
import { LiveLimits } from './live-limits.ts'

export type { Address } from '../net/address/address.ts'
export type { Limits, PeerStatus } from '../net/status.ts'

/** How a folder finds its peers, and which peers may connect. */
export interface ConnectOptions {
  /** The first nodes of the DHT to join; the public one when left out, none with an empty list. */
  readonly bootstrap?: readonly Address[]
  /** Whether to look for peers on the local networks, by multicast. True when left out; never with P2PSYNC_NO_LAN=1. */
  readonly lan?: boolean
  /** Whether to use TCP, which peers on the local networks and on this machine need. True when left out. */
  readonly tcp?: boolean
  /** The TCP port to listen on; any free one when left out. */
  readonly port?: number
  /** The address of this machine to listen on; all when left out. */
  readonly listen?: string
  /** Peers to connect to besides those that the DHT and the local networks find. */
  readonly peers?: readonly PeerAddress[]
  /** The machines that may connect, by the public keys that `id` prints; all who have the key when left out. */
  readonly allow?: readonly string[]
  /** Bytes per second to and from all peers together. */
  readonly limits?: Limits
}

/** A peer's address and, if known, its public key: a peer with another key is refused then. */
export interface PeerAddress extends Address {
  readonly key?: string
}

/** Bytes received from and sent to all peers together. */
export interface Traffic {
  readonly received: number
  readonly sent: number
}

export interface ConnectionsOptions {
  /** The folder's key, which all its peers know and nobody else. */
  readonly secret: Uint8Array
  /** Whether this end is the source, which mostly sends. */
  readonly sends: boolean
  /** The folder's state directory, which holds the allow list and the limits. */
  readonly home: string
  /** Hides this end from peers on this machine and on the local networks. */
  readonly isHidden?: boolean
}

interface FailureOptions {
  /** Called when the store can't be read for a peer. */
  readonly onFailure: (error: Error) => void
}

/** After this long without peers a notice explains why. */
const noPeersMs = 10_000
/** How often each peer's traffic is reported, if there is any. */
const trafficMs = 5000

/** Replicates a store with every peer that the network finds, and reports their coming and going. */
export class Connections {
  readonly #monitor: Monitor
  readonly #store: LogStore
  readonly #options: ConnectionsOptions & ConnectOptions & FailureOptions
  readonly #counted = new Map<string, Traffic>()
  readonly #refused = new Set<string>()
  #network: Network | undefined
  /** This machine's public key, in printed form. */
  #id = ''
  #allowList: AllowList | undefined
  #limits: LiveLimits | undefined
  #trafficTimer: NodeJS.Timeout | undefined
  #noPeersTimer: NodeJS.Timeout | undefined
  #hadPeers = false
  #closed = false
  #isDuplicateReported = false

  constructor(monitor: Monitor, store: LogStore, options: ConnectionsOptions & ConnectOptions & FailureOptions) {
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
    const keyPair = await this.#store.identity()
    // A network that is created after `close` would never be closed.
    if (this.#closed) return
    const network = new Network({
      keyPair,
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
    this.#trafficTimer = setInterval(() => this.#reportTraffic(), trafficMs)
    this.#awaitPeers()
  }

  get peers(): readonly PeerStatus[] {
    return this.#network?.peers ?? []
  }

  get traffic(): Traffic {
    return this.#network?.traffic ?? { received: 0, sent: 0 }
  }

  get whyNoPeers(): string | undefined {
    return this.#network && explainNoPeers(this.#network.status, { machine: this.#id, isSource: this.#options.sends })
  }

  /** The limits that apply now; `undefined` before the start. */
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
    clearTimeout(this.#noPeersTimer)
  }

  /** Without a machine identity the folder still connects to peers that have no allow list. */
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
    // A block that can't be read for a peer ends its connection with the storage engine's error.
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
      this.#awaitPeers()
    } else if (event.type === 'duplicate-identity') {
      this.#reportDuplicate(event.address)
    } else if (event.type === 'stranger') {
      const message = `Who answers at ${event.address} doesn't have this folder, or isn't p2psync`
      this.#monitor.emit({ type: 'notice', message })
    } else this.#reportRefused(event)
  }

  #reportDuplicate(address: string): void {
    const message =
      `The peer at ${address} and another have the same store: one was copied from the other, and each takes the ` +
      "other's place again and again. Start the copy once with --rebuild"
    if (!this.#isDuplicateReported) this.#monitor.emit({ type: 'notice', message })
    this.#isDuplicateReported = true
  }

  /** Reports each refusal once: refused peers come back again and again. */
  #reportRefused({ by, reason, machine, address }: Extract<NetworkEvent, { type: 'refused' }>): void {
    const id = `${by} ${reason} ${machine}`
    if (this.#refused.has(id) || this.#refused.size > refusedMax) return
    this.#refused.add(id)
    const message =
      this.#refused.size > refusedMax
        ? 'Too many refused peers: p2psync reports no more of them'
        : by === 'us'
          ? describeOurs(reason, printed(machine), address)
          : describeTheirs(reason, this.#id, address)
    this.#monitor.emit({ type: 'notice', message })
  }

  #awaitPeers(): void {
    clearTimeout(this.#noPeersTimer)
    if (this.#closed || (this.#network?.connectedCount ?? 0) > 0) return
    this.#noPeersTimer = setTimeout(() => {
      if (!this.#isQuietAlone) {
        this.#monitor.emit({
          type: 'notice',
          message: `No peer ${this.#hadPeers ? 'any more' : 'yet'}. ${this.whyNoPeers}`
        })
      }
    }, noPeersMs)
    this.#noPeersTimer.unref()
  }

  /** Whether being without peers needs no notice. */
  get #isQuietAlone(): boolean {
    const { refusedBy, unreachable, dht } = this.#network?.status ?? noStatus
    // A peer that refuses us was reported when it did. A source is without peers whenever nobody needs anything of it.
    const isReachable = unreachable === 0 && (dht !== 'unreachable' || this.#hadPeers)
    return refusedBy.length > 0 || (this.#options.sends && isReachable)
  }

  #reportTraffic(): void {
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
/** Refusals that are reported: whoever has the key can connect under any number of names. */
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
