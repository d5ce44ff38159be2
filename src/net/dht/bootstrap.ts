import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv4 } from 'node:net'
import { debuglog } from 'node:util'
import type DHT from 'hyperdht'
import { SyncError, systemCode } from '../../errors.ts'
import type { Address } from '../address/address.ts'
import { Interfaces } from '../address/interfaces.ts'
import { localHostTowards } from '../address/route.ts'

const trace = debuglog('p2psync:bootstrap')

/** Where a private DHT listens. */
export interface PrivateDhtOptions {
  /** The first of five UDP ports in a row. 49737 when left out. */
  readonly port?: number
  /** The only IPv4 address of this machine to listen at; all when left out. */
  readonly host?: string
}

/**
 * With fewer than three, peers behind NAT can't learn how others see them, so hole punching fails; with fewer than
 * four, connections stall for seconds. The fifth is a reserve for one that is down. All may run on one host.
 */
const nodeCount = 5
const defaultPort = 49_737
const loopback = '127.0.0.1'
/** An address that stands for the internet (RFC 5737), to find the outgoing route; nothing is sent there. */
const internetHost = '192.0.2.1'

/**
 * A private DHT for networks without outside dependencies: five nodes in this process, at consecutive ports, which a
 * firewall can open as one range. All nodes use one address of this machine, since a node is identified by its address;
 * when that address disappears, they move to another.
 */
export class PrivateDht {
  readonly #port: number
  readonly #host: string | undefined
  readonly #interfaces = new Interfaces()
  readonly #onMove = new Set<() => void>()
  #nodes: readonly DHT[] = []
  /** The address by which the nodes are known. */
  #home = loopback
  #opening: Promise<void> | undefined
  /** The chain of moves, one at a time. */
  #moves: Promise<void> = Promise.resolve()
  #closed = false

  /** @throws {SyncError} USAGE */
  constructor({ port = defaultPort, host }: PrivateDhtOptions = {}) {
    const last = 65_535 - nodeCount + 1
    if (!Number.isInteger(port) || port < 1 || port > last) {
      throw new SyncError(
        'USAGE',
        `The port can't be ${port}: ${nodeCount} ports in a row are needed, so it must be from 1 to ${last}`
      )
    }
    if (host !== undefined && (!isIPv4(host) || host === '0.0.0.0')) {
      throw new SyncError(
        'USAGE',
        `${JSON.stringify(host)} is not an IPv4 address of one machine. Leave it out to listen at all addresses`
      )
    }
    this.#port = port
    this.#host = host
  }

  /** The UDP ports that others must reach. */
  get ports(): readonly [first: number, last: number] {
    return [this.#port, this.#port + nodeCount - 1]
  }

  /**
   * Addresses to join the DHT at: first the one by which its nodes are known, which every peer must reach; loopback
   * last.
   */
  get addresses(): readonly Address[] {
    const port = this.#port
    if (this.#host !== undefined) return [{ host: this.#host, port }]
    const hosts = [this.#home, ...this.#outwardHosts().filter((host) => host !== this.#home)]
    return [...hosts.filter((host) => host !== loopback), loopback].map((host) => ({ host, port }))
  }

  /**
   * Resolves when the nodes have joined each other.
   *
   * @throws {SyncError} PORT_IN_USE; USAGE when `host` is no address of this machine
   */
  ready(): Promise<void> {
    this.#opening ??= this.#open()
    return this.#opening
  }

  /** Calls `listener` whenever the addresses have changed. @returns a function that ends the subscription */
  onMove(listener: () => void): () => void {
    this.#onMove.add(listener)
    return () => this.#onMove.delete(listener)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#interfaces.close()
    await this.#opening?.catch(() => {})
    await this.#moves
    await this.#stop()
  }

  async #open(): Promise<void> {
    this.#home = this.#host ?? (await this.#bestHost())
    try {
      await this.#start()
    } catch (error) {
      this.#interfaces.close()
      throw error
    }
    if (this.#host === undefined) this.#interfaces.subscribe(() => this.#inTurn(() => this.#followInterfaces()))
  }

  /** Starts the nodes, all or none. */
  async #start(): Promise<void> {
    const bind = this.#host ?? '0.0.0.0'
    // The public API has this class: whoever runs a folder without a DHT must not load one.
    const { default: DHT } = await import('hyperdht')
    for (let i = 0; i < nodeCount; i++) await assertFree(this.#port + i, bind, this.ports)
    const bootstrap = [{ host: this.#home, port: this.#port }]
    const nodes = [DHT.bootstrapper(this.#port, this.#home, { bootstrap: [], host: bind })]
    this.#nodes = nodes
    await nodes[0]?.fullyBootstrapped()
    for (let i = 1; i < nodeCount; i++) {
      const port = this.#port + i
      const node = new DHT({
        bootstrap,
        host: bind,
        port: [port, port + 1],
        anyPort: false,
        ephemeral: false,
        firewalled: false
      })
      nodes.push(node)
      await node.fullyBootstrapped()
    }
    trace('%d nodes at %s:%d', nodeCount, this.#home, this.#port)
  }

  async #stop(): Promise<void> {
    const nodes = this.#nodes
    this.#nodes = []
    await Promise.allSettled(nodes.map((node) => node.destroy({ force: true })))
  }

  /** Moves the nodes if their address is gone, and notifies the listeners. */
  async #followInterfaces(): Promise<void> {
    const hosts = this.#outwardHosts()
    const isGone = this.#nodes.length === 0 || !hosts.includes(this.#home)
    // Without any network the nodes use loopback, at the start and after losing the last network.
    const best = isGone ? await this.#bestHost() : this.#home
    if (best !== this.#home || this.#nodes.length === 0) {
      trace('moving from %s to %s', this.#home, best)
      await this.#stop()
      this.#home = best
      await this.#start()
    }
    for (const listener of this.#onMove) listener()
  }

  #inTurn(act: () => Promise<void>): void {
    this.#moves = this.#moves.then(async () => {
      if (this.#closed) return
      // The next change of addresses retries a failed move.
      await act().catch((error: unknown) => trace('%s', error))
    })
  }

  /** The address from which packets leave for the internet, else any non-loopback address, else loopback. */
  async #bestHost(): Promise<string> {
    const hosts = this.#outwardHosts()
    const outward = await localHostTowards({ host: internetHost, port: 9 }).catch(() => undefined)
    return outward !== undefined && hosts.includes(outward) ? outward : (hosts[0] ?? loopback)
  }

  #outwardHosts(): readonly string[] {
    return this.#interfaces.addresses
      .filter(({ family, internal }) => family === 'IPv4' && !internal)
      .map(({ host }) => host)
  }
}

/** Tests a port before a node binds it, since a node that fails to bind leaks resources. */
async function assertFree(port: number, host: string, [first, last]: readonly [number, number]): Promise<void> {
  const socket = createSocket('udp4')
  try {
    socket.bind({ port, address: host, exclusive: true })
    await once(socket, 'listening')
  } catch (error) {
    const code = systemCode(error)
    if (code === 'EADDRNOTAVAIL') {
      throw new SyncError(
        'USAGE',
        `${host} is not an address of this machine. Leave --host out to listen at all of them`,
        {
          cause: error
        }
      )
    }
    const problem = code === 'EADDRINUSE' ? 'is in use' : `can't be opened (${code})`
    const cause = code === 'EADDRINUSE' ? ', perhaps by p2psync or another program that uses a DHT' : ''
    throw new SyncError(
      'PORT_IN_USE',
      `The UDP port ${port} ${problem}${cause}. The ports ${first} to ${last} are needed: end that program, or give another --port`,
      { cause: error }
    )
  } finally {
    socket.close()
  }
}
