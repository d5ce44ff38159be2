import { setMaxListeners } from 'node:events'
import type { Duplex } from 'node:stream'
import { BoundedMap } from '../bounded-map.ts'
import { type Address, plainHost, showAddress } from './address/address.ts'
import { type Distance, type InterfaceChange, Interfaces } from './address/interfaces.ts'
import { Admission } from './admission.ts'
import { hasBbr } from './congestion.ts'
import { RefreshClock, type RefreshSituation } from './dht/refresh-clock.ts'
import type { Swarm } from './dht/swarm.ts'
import { Direct, type ListenOptions } from './direct.ts'
import { DuplicateIdentity } from './duplicate-identity.ts'
import type { Lan } from './lan/lan.ts'
import { SameMachine } from './lan/same-machine.ts'
import { Link, type Refusal, type Self } from './link.ts'
import type { Transport } from './paths.ts'
import { type AddressSource, Peer } from './peer.ts'
import { type Rendezvous, rendezvousOf } from './rendezvous.ts'
import { StaticAddress, type StaticPeer } from './static-peers.ts'
import type { Limits, NetworkEvent, NetworkStatus, PeerStatus } from './status.ts'
import type { BoundedStream } from './wire/bounded-stream.ts'
import { Bucket } from './wire/bucket.ts'
import type { KeyPair } from './wire/key-pair.ts'

export interface NetworkSettings {
  /** This end's keys, which identify it to peers. Unique to this process. */
  readonly keyPair: KeyPair
  /** This machine's keys, which peers put on their allow lists. */
  readonly machine: KeyPair
  /** Known to all peers and nobody else: they meet under its hashes, and prove to each other that they know it. */
  readonly secret: Uint8Array
  /** Whether this end mostly sends. */
  readonly sends: boolean
  /** The DHT's first nodes; the public DHT when left out, none with an empty list. */
  readonly bootstrap?: readonly Address[] | undefined
  /** Whether to look for peers on the local networks. */
  readonly lan?: boolean | undefined
  /** Whether to look for peers among the processes of this user on this machine. */
  readonly sameMachine?: boolean | undefined
  /** Whether to look for peers on this machine and the local networks without announcing itself there. */
  readonly isHidden?: boolean | undefined
  /** Where to accept TCP connections; `false` for no TCP in either direction. */
  readonly tcp?: ListenOptions | false | undefined
  readonly peers?: readonly StaticPeer[] | undefined
  /** The public keys of machines that may connect, in hexadecimal; all that know the secret when left out. */
  readonly allow?: ReadonlySet<string> | undefined
  /** Limits on the traffic of all peers together. */
  readonly limits?: Limits | undefined
  /** Called with each stream to replicate over, from now until it closes. */
  readonly onCarrier: (stream: Duplex) => void
  readonly onEvent: (event: NetworkEvent) => void
}

/**
 * TCP is good up to these round trips, in milliseconds: at 40 ms and 0.5 % loss, cubic falls to 0.7 MB/s where UDX
 * keeps 20 MB/s. A local network hardly loses packets, and longer round trips there come from the machines' own load.
 */
const nearMs = { machine: Number.POSITIVE_INFINITY, lan: 20, wan: 5 } as const
/** Peers remembered without a connection. */
const knownMax = 256
const tickMs = 500

/** Finds peers by all available means, and keeps one good connection to each. */
export class Network {
  readonly #options: NetworkSettings
  readonly #rendezvous: Rendezvous
  readonly #interfaces = new Interfaces()
  readonly #throttles: { readonly up: Bucket; readonly down: Bucket }
  readonly #direct: Direct | undefined
  readonly #peers = new Map<string, Peer>()
  /** The last reported status of each connected peer. */
  readonly #reported = new Map<string, PeerStatus>()
  /** Bytes of closed links. */
  readonly #closedTraffic = { received: 0, sent: 0 }
  readonly #refusedBy = new BoundedMap<string, { readonly address: string; readonly reason: Refusal }>(knownMax)
  readonly #links = new Set<Link>()
  readonly #duplicates = new DuplicateIdentity()
  readonly #admission: Admission
  #lan: Lan | undefined
  #sameMachine: SameMachine | undefined
  #swarm: Swarm | undefined
  #joining: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #refreshClock = new RefreshClock(performance.now())
  #closed = false
  readonly #isBbr = hasBbr()
  readonly #staticAddresses: readonly StaticAddress[]
  readonly #stop = new AbortController()

  constructor(options: NetworkSettings) {
    this.#options = options
    this.#admission = new Admission(options.allow, {
      peers: () => this.#peers.values(),
      onDisplaced: (link) => this.#emitRefused(link, 'us', 'full')
    })
    this.#rendezvous = rendezvousOf(options.secret)
    this.#throttles = { up: new Bucket(options.limits?.up), down: new Bucket(options.limits?.down) }
    const { keyPair, tcp } = options
    if (tcp !== false) {
      const onStream = (stream: BoundedStream) => void this.#link(stream, 'tcp', 'them')
      this.#direct = new Direct({ keyPair, throttles: this.#throttles, onStream })
    }
    // Each dial of a static address adds a listener.
    setMaxListeners(0, this.#stop.signal)
    this.#staticAddresses = (options.peers ?? []).map((peer) => this.#openStatic(peer))
  }

  /** Starts looking for peers and announcing itself, without waiting for results. @throws {SyncError} PORT_IN_USE */
  async start(): Promise<void> {
    const { tcp, lan, sameMachine, isHidden, bootstrap, keyPair } = this.#options
    if (this.#direct !== undefined && tcp !== false) {
      await this.#direct.listen(tcp ?? {})
      if (this.#closed) return this.#direct.close()
      const publicKey = keyPair.publicKey.toString('hex')
      const { port, host } = this.#direct
      const { id } = this.#rendezvous
      const from = (source: AddressSource) => (key: string, at: readonly Address[]) => this.#reachable(key, source, at)
      const onPeer = from('machine')
      if (sameMachine !== false) this.#sameMachine = new SameMachine({ id, publicKey, port, host, onPeer, isHidden })
      const interfaces = this.#interfaces
      if (lan !== false) {
        // Without a LAN its modules aren't even loaded.
        const { Lan } = await import('./lan/lan.ts')
        if (this.#closed) return
        this.#lan = new Lan({ id, publicKey, port, interfaces, onPeer: from('lan'), isHidden })
      }
      for (const { key, address } of this.#staticAddresses) {
        if (key !== undefined) this.#reachable(key, 'static', [address])
      }
    }
    this.#interfaces.subscribe((change) => this.#onInterfaces(change))
    this.#timer = setInterval(() => this.#tick(), tickMs)
    this.#tick()
    // An empty list means no DHT; nor are its modules loaded then.
    if (bootstrap?.length !== 0) this.#joining = this.#join(bootstrap)
  }

  async #join(bootstrap: readonly Address[] | undefined): Promise<void> {
    const { Swarm } = await import('./dht/swarm.ts')
    if (this.#closed) return
    this.#refreshClock.changed(performance.now())
    this.#swarm = new Swarm({
      keyPair: this.#options.keyPair,
      topic: this.#rendezvous.topic,
      bootstrap,
      throttles: this.#throttles,
      onStream: (stream) => void this.#link(stream, 'udx', stream.stream.isInitiator ? 'us' : 'them')
    })
  }

  /** The connected peers. */
  get peers(): readonly PeerStatus[] {
    return [...this.#peers.values()].flatMap((peer) => this.#statusOf(peer) ?? [])
  }

  /** Bytes received from and sent to all peers so far, on the wire. */
  get traffic(): { readonly received: number; readonly sent: number } {
    let { received, sent } = this.#closedTraffic
    for (const link of this.#links) {
      received += link.traffic.received
      sent += link.traffic.sent
    }
    return { received, sent }
  }

  /** The number of standby connections, which are up but don't carry replication. */
  get spares(): number {
    return [...this.#peers.values()].flatMap(({ links }) => links).filter(({ carries, isUp }) => isUp && !carries)
      .length
  }

  get status(): NetworkStatus {
    const lan = this.#lan
    return {
      nat: this.#swarm?.nat ?? 'unknown',
      unreachable: this.#swarm?.unreachable ?? 0,
      dht: this.#swarm === undefined ? 'off' : this.#swarm.online ? 'reachable' : 'unreachable',
      lan: lan === undefined ? 'off' : !lan.working ? 'blocked' : lan.heard ? 'heard' : 'silent',
      tcp: this.#direct?.port,
      unanswered: this.#staticAddresses.filter((each) => !each.isAnswered && !each.isStranger).map(shown),
      strangers: this.#staticAddresses.filter((each) => !each.isAnswered && each.isStranger).map(shown),
      refusedBy: [...this.#refusedBy.values()]
    }
  }

  /** Changes which machines may connect. Closes links to those that no longer may, and retries all peers at once. */
  allow(machines: ReadonlySet<string> | undefined): void {
    this.#admission.allow = machines
    for (const link of this.#links) {
      if (link.introduction !== undefined && !this.#admission.isAllowed(link)) link.refuse('not-allowed')
    }
    for (const peer of this.#peers.values()) peer.retryNow()
    this.#swarm?.refresh()
  }

  /** Changes the bandwidth limits of all connections together. */
  limit({ up, down }: Limits): void {
    this.#throttles.up.rate = up ?? Number.POSITIVE_INFINITY
    this.#throttles.down.rate = down ?? Number.POSITIVE_INFINITY
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#stop.abort()
    clearInterval(this.#timer)
    this.#interfaces.close()
    this.#sameMachine?.close()
    for (const peer of this.#peers.values()) {
      peer.close()
      this.#onPeerChange(peer)
    }
    for (const link of this.#links) link.close()
    await this.#joining
    await Promise.all([this.#lan?.close(), this.#swarm?.close(), this.#direct?.close()])
  }

  // Links

  #link(
    { stream, trust }: BoundedStream,
    transport: Transport,
    dialledBy: 'us' | 'them',
    expected?: string
  ): Link | undefined {
    if (this.#closed || stream.destroyed || stream.remotePublicKey.equals(this.#options.keyPair.publicKey)) {
      stream.destroy()
      return undefined
    }
    const { secret, machine } = this.#options
    const peerOf = (link: Link) => this.#peers.get(link.peer)
    const link: Link = new Link(stream, {
      transport,
      dialledBy,
      secret,
      expected,
      machine,
      self: () => this.#self(),
      onTrusted: trust,
      admit: (each) => this.#admit(each),
      isLocal: (each) => this.#isLocal(each),
      onUp: (each) => peerOf(each)?.up(each),
      onRtt: (each, rttMs) => peerOf(each)?.measured(each, rttMs),
      onCarry: (each) => peerOf(each)?.carriedByPeer(each),
      onLost: (each) => peerOf(each)?.lost(each),
      onRefused: (each, reason) => this.#onRefused(each, reason),
      onClose: (each) => this.#onClose(each)
    })
    this.#links.add(link)
    // A link to a known peer counts at once, so that the peer isn't dialled again meanwhile.
    this.#peers.get(link.peer)?.add(link)
    return link
  }

  #self(): Self {
    const onlyHost = this.#direct?.host
    const hosts = this.#interfaces.addresses
      .filter(({ internal, host }) => !internal && !host.startsWith('fe80:') && host === (onlyHost ?? host))
      .map(({ host }) => host)
    return { bbr: this.#isBbr, sends: this.#options.sends, port: this.#direct?.port ?? 0, hosts }
  }

  /** How many peers are connected; much cheaper than `peers`. */
  get connectedCount(): number {
    return [...this.#peers.values()].filter(({ carrier }) => carrier !== undefined).length
  }

  #admit(link: Link): Refusal | undefined {
    const reason = this.#admission.refusal(link)
    if (reason !== undefined) {
      this.#emitRefused(link, 'us', reason)
      return reason
    }
    this.#peer(link.peer).add(link)
    const { machine = [], port = 0 } = link.introduction ?? {}
    const isDuplicate = this.#duplicates.observe(link.peer, `${Buffer.from(machine).toString('hex')} ${port}`)
    if (isDuplicate) this.#options.onEvent({ type: 'duplicate-identity', address: this.#addressOf(link) })
    return undefined
  }

  #onRefused(link: Link, reason: Refusal): void {
    this.#refusedBy.set(link.peer, { address: this.#addressOf(link), reason })
    this.#peers.get(link.peer)?.refused()
    this.#emitRefused(link, 'them', reason)
  }

  #emitRefused(link: Link, by: 'us' | 'them', reason: Refusal): void {
    const machine = Buffer.from(link.introduction?.machine ?? []).toString('hex')
    this.#options.onEvent({ type: 'refused', by, reason, machine, address: this.#addressOf(link) })
  }

  #onClose(link: Link): void {
    const { received, sent } = link.traffic
    this.#closedTraffic.received += received
    this.#closedTraffic.sent += sent
    this.#links.delete(link)
    const peer = this.#peers.get(link.peer)
    peer?.down(link)
    if (peer?.isKnown === false) this.#forget(peer)
  }

  // Peers

  #peer(key: string): Peer {
    const known = this.#peers.get(key)
    if (known !== undefined) return known
    const direct = this.#direct
    const publicKey = Buffer.from(key, 'hex')
    const peer: Peer = new Peer({
      key,
      decides: Buffer.compare(this.#options.keyPair.publicKey, publicKey) > 0,
      dial: direct && ((addresses, signal) => direct.dial(addresses, publicKey, signal)),
      onDialled: (stream) => void this.#link(stream, 'tcp', 'us'),
      mayComeByUdx: () => this.#swarm?.online ?? false,
      nearMs: (link) => (this.#toleratesLoss(link) ? Number.POSITIVE_INFINITY : nearMs[this.#distance(link)]),
      onCarrier: ({ stream }) => this.#options.onCarrier(stream),
      onChange: () => this.#onPeerChange(peer)
    })
    this.#peers.set(key, peer)
    this.#forgetExcess()
    return peer
  }

  /** Whether TCP tolerates loss: the mostly sending end uses BBR, or both ends do where neither mostly sends. */
  #toleratesLoss({ introduction }: Link): boolean {
    if (introduction === undefined) return false
    const { bbr, sends } = introduction
    if (this.#options.sends === sends) return this.#isBbr && bbr
    return sends ? bbr : this.#isBbr
  }

  #reachable(key: string, source: AddressSource, addresses: readonly Address[]): void {
    if (this.#closed || key === this.#options.keyPair.publicKey.toString('hex')) return
    if (addresses.length === 0 && !this.#peers.has(key)) return
    const peer = this.#peer(key)
    peer.reachableAt(source, addresses)
    if (!peer.isKnown) this.#forget(peer)
  }

  #forget(peer: Peer): void {
    peer.close()
    this.#peers.delete(peer.key)
  }

  #forgetExcess(): void {
    if (this.#peers.size <= knownMax) return
    const idle = [...this.#peers.values()].find(({ links, isStatic }) => links.length === 0 && !isStatic)
    if (idle !== undefined) this.#forget(idle)
  }

  #onPeerChange(peer: Peer): void {
    const [before, now] = [this.#reported.get(peer.key), this.#statusOf(peer)]
    const { onEvent } = this.#options
    if (now === undefined) {
      // A spare takes over at once: this end or the other sends `carry`.
      if (before === undefined || peer.links.some(({ isUp }) => isUp)) return
      this.#reported.delete(peer.key)
      this.#refreshClock.lost(performance.now())
      onEvent({ type: 'peer', state: 'disconnected', peer: before })
      return
    }
    this.#reported.set(peer.key, now)
    this.#refusedBy.delete(peer.key)
    if (before === undefined) onEvent({ type: 'peer', state: 'connected', peer: now })
    else if (before.transport !== now.transport || before.address !== now.address) {
      onEvent({ type: 'peer', state: 'moved', peer: now })
    }
  }

  #statusOf({ key, carrier }: Peer): PeerStatus | undefined {
    if (carrier === undefined) return undefined
    const { transport, rttMs, traffic, introduction } = carrier
    const machine = Buffer.from(introduction?.machine ?? []).toString('hex')
    const distance = this.#distance(carrier)
    const { received, sent } = traffic
    return { key, machine, transport, distance, address: this.#addressOf(carrier), rttMs, received, sent }
  }

  #distance({ remoteHost }: Link): Distance {
    return this.#interfaces.distance(plainHost(remoteHost))
  }

  /**
   * Whether the link's other end is a process on this machine. The address alone doesn't tell: it may be the near end
   * of a tunnel, whose far end can vanish without notice.
   */
  #isLocal(link: Link): boolean {
    const isOurMachine = this.#options.machine.publicKey.equals(link.introduction?.machine ?? Buffer.alloc(0))
    return link.transport === 'tcp' && isOurMachine && this.#distance(link) === 'machine'
  }

  #addressOf({ remoteHost, remotePort }: Link): string {
    return showAddress({ host: plainHost(remoteHost), port: remotePort })
  }

  // Periodic work

  #tick(): void {
    const nowMs = performance.now()
    if (this.#swarm !== undefined && this.#refreshClock.isDue(nowMs, this.#situation(this.#swarm)))
      this.#swarm.refresh()
    if (this.#direct !== undefined) for (const each of this.#staticAddresses) each.dialIfDue(nowMs)
  }

  #situation({ online: isOnline }: Swarm): RefreshSituation {
    return { isOnline, isConnected: this.connectedCount > 0, isPrivate: this.#options.bootstrap !== undefined }
  }

  #openStatic(peer: StaticPeer): StaticAddress {
    return new StaticAddress(peer, {
      dial: async (address, key) => {
        const stream = await this.#direct?.dial([address], undefined, this.#stop.signal)
        return stream && this.#link(stream, 'tcp', 'us', key)
      },
      isConnected: (key) => this.#peers.get(key)?.carrier !== undefined,
      onStranger: (address) => this.#options.onEvent({ type: 'stranger', address })
    })
  }

  #onInterfaces({ removed }: InterfaceChange): void {
    const hosts = new Set(removed.map(({ host }) => host))
    for (const link of this.#links) {
      if (link.localHost !== undefined && hosts.has(plainHost(link.localHost))) link.close()
    }
    for (const peer of this.#peers.values()) {
      peer.probe()
      peer.retryNow()
    }
    this.#refreshClock.changed(performance.now())
    this.#swarm?.refresh()
  }
}

function shown({ address }: StaticAddress): string {
  return showAddress(address)
}
