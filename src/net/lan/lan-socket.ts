import { createSocket, type RemoteInfo } from 'node:dgram'
import makeMdns from 'multicast-dns'
import type { LocalAddress } from '../address/interfaces.ts'
import { type IncomingPacket, serviceLabel } from './lan-records.ts'

export interface LanSocketOptions {
  readonly address: LocalAddress
  /** Called for every mDNS packet, of any service. */
  readonly onHeard: (from: RemoteInfo) => void
  readonly onQuery: (query: IncomingPacket) => void
  readonly onResponse: (response: IncomingPacket, from: RemoteInfo) => void
  /** Called when the socket is bound and can send and receive. */
  readonly onReady: () => void
  /** Called when the socket failed, as after a pulled cable. It has closed itself. */
  readonly onFailure: (error: Error) => void
}

const groups = { IPv4: '224.0.0.251', IPv6: 'ff02::fb' } as const
/** The port from which every mDNS responder sends; packets from other ports are ignored. */
const mdnsPort = 5353
/** The size of an Ethernet frame; we never send larger packets. */
const bytesMax = 1500
/** The TTL that the standard demands, so that receivers can tell that no router has forwarded the packet. */
const hops = 255

/** Speaks multicast DNS on one interface. Shares the port with other responders, such as Avahi. */
export class LanSocket {
  readonly #options: LanSocketOptions
  readonly #socket
  readonly #mdns
  #ready = false
  #works = false
  #closed: Promise<void> | undefined

  constructor(options: LanSocketOptions) {
    this.#options = options
    const { family } = options.address
    const type = family === 'IPv4' ? 'udp4' : 'udp6'
    // Our own socket, to tell its errors from packet errors, and to handle a failure to join the group.
    this.#socket = createSocket({ type, reuseAddr: true, ipv6Only: family === 'IPv6' })
    this.#socket.unref()
    this.#socket.on('error', (error) => this.#fail(error))
    this.#mdns = makeMdns({
      type,
      socket: this.#socket,
      ip: groups[family],
      interface: interfaceOf(options.address),
      bind: family === 'IPv4' ? '0.0.0.0' : '::',
      multicast: false
    })
    this.#mdns.on('error', (error: Error) => this.#fail(error))
    this.#mdns.on('ready', () => this.#join())
    this.#mdns.on('query', (query) => options.onQuery(query))
    this.#mdns.on('response', (response, from) => options.onResponse(response, from))
    this.#filterPackets()
  }

  /** Whether a packet was sent. */
  get works(): boolean {
    return this.#works && this.#closed === undefined
  }

  /** Resolves when the packet is sent, or sending has failed. */
  async query(packet: makeMdns.QueryOutgoingPacket): Promise<void> {
    await this.#send((done) => this.#mdns.query(packet, done))
  }

  /** Resolves when the packet is sent, or sending has failed. */
  async respond(packet: makeMdns.ResponseOutgoingPacket): Promise<void> {
    await this.#send((done) => this.#mdns.respond(packet, done))
  }

  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      try {
        this.#mdns.destroy(resolve)
      } catch {
        resolve() // An error has already closed it.
      }
    })
    return this.#closed
  }

  /** Drops packets that can't be for us before they are parsed: most can't, and parsing a large one can take 0.5 s. */
  #filterPackets(): void {
    const readers = this.#socket.listeners('message')
    this.#socket.removeAllListeners('message')
    this.#socket.on('message', (bytes, from) => {
      if (this.#closed !== undefined || from.port !== mdnsPort) return
      this.#options.onHeard(from)
      if (bytes.length > bytesMax || !bytes.includes(serviceLabel)) return
      for (const read of readers) read.call(this.#socket, bytes, from)
    })
  }

  #join(): void {
    if (this.#closed !== undefined) return
    const { address } = this.#options
    try {
      this.#socket.addMembership(groups[address.family], interfaceOf(address))
      this.#socket.setMulticastInterface(interfaceOf(address))
      this.#socket.setMulticastTTL(hops)
      this.#socket.setMulticastLoopback(true) // For the other processes of this machine.
    } catch (error) {
      this.#fail(error as Error)
      return
    }
    this.#ready = true
    this.#options.onReady()
  }

  #send(send: (done: (error: Error | null) => void) => void): Promise<void> {
    return new Promise((resolve) => {
      if (!this.#ready || this.#closed !== undefined) return resolve()
      send((error) => {
        if (error) this.#fail(error)
        else this.#works = true
        resolve()
      })
    })
  }

  #fail(error: Error): void {
    if (this.#closed !== undefined) return
    void this.close()
    this.#options.onFailure(error)
  }
}

/** The name of an interface in the form that the socket calls expect. */
function interfaceOf({ family, host, name }: LocalAddress): string {
  return family === 'IPv4' ? host : `::%${name}`
}
