import { createSocket, type RemoteInfo } from 'node:dgram'
import makeMdns from 'multicast-dns'
import type { LocalAddress } from '../address/interfaces.ts'
import { type IncomingPacket, serviceLabel } from './lan-records.ts'

export interface LanSocketOptions {
  readonly address: LocalAddress
  /** Something came, whatever it is. */
  readonly onHeard: (from: RemoteInfo) => void
  readonly onQuery: (query: IncomingPacket) => void
  readonly onResponse: (response: IncomingPacket, from: RemoteInfo) => void
  /** Bound; now packets go out, and come in. */
  readonly onReady: () => void
  /** It is of no use any more, such as when the cable was pulled. It has closed itself. */
  readonly onFailure: (error: Error) => void
}

const groups = { IPv4: '224.0.0.251', IPv6: 'ff02::fb' } as const
/** Everybody of multicast DNS sends from this port; whoever doesn't is none of them. */
const mdnsPort = 5353
/** What one Ethernet frame holds; we never send more. */
const bytesMax = 1500
/** What routers let through is none of ours: the standard wants 255, by which one sees that none has forwarded it. */
const hops = 255

/** Speaks multicast DNS on one interface. Others that do, such as Avahi, use the same port beside it. */
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
    // A socket of our own, to see its errors apart from those of packets, and to join the group where that may fail.
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
    this.#sift()
  }

  /** Whether it could send. */
  get works(): boolean {
    return this.#works && this.#closed === undefined
  }

  /** Resolves when it is sent, or has failed. */
  async query(packet: makeMdns.QueryOutgoingPacket): Promise<void> {
    await this.#send((done) => this.#mdns.query(packet, done))
  }

  /** Resolves when it is sent, or has failed. */
  async respond(packet: makeMdns.ResponseOutgoingPacket): Promise<void> {
    await this.#send((done) => this.#mdns.respond(packet, done))
  }

  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      try {
        this.#mdns.destroy(resolve)
      } catch {
        resolve() // An error has closed it already.
      }
    })
    return this.#closed
  }

  /** Lets only such packets be read that can be for us: most are not, and a large one can take half a second. */
  #sift(): void {
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

/** As the system wants to be told which interface. */
function interfaceOf({ family, host, name }: LocalAddress): string {
  return family === 'IPv4' ? host : `::%${name}`
}
