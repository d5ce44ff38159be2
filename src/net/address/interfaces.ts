import { BlockList, isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'

/** An address of this machine. */
export interface LocalAddress {
  /** The interface's name, such as `eth0`. */
  readonly name: string
  /** Without a zone. */
  readonly host: string
  readonly family: 'IPv4' | 'IPv6'
  /** Whether it is loopback. */
  readonly internal: boolean
  /** The length of the network prefix in bits. */
  readonly prefix: number
}

/** How far a host is. */
export type Distance = 'machine' | 'lan' | 'wan'

/** Which of this machine's addresses came and went. */
export interface InterfaceChange {
  readonly added: readonly LocalAddress[]
  readonly removed: readonly LocalAddress[]
}

/** The polling interval: Node reports no changes, such as a pulled cable. Each poll takes 0.1 ms. */
const pollMs = 1000

/** This machine's addresses, as they come and go. */
export class Interfaces {
  readonly #listeners = new Set<(change: InterfaceChange) => void>()
  readonly #timer: NodeJS.Timeout
  readonly #networks = new WeakMap<LocalAddress, BlockList>()
  #addresses = readLocalAddresses()

  constructor() {
    this.#timer = setInterval(() => this.#poll(), pollMs)
    this.#timer.unref()
  }

  get addresses(): readonly LocalAddress[] {
    return [...this.#addresses.values()]
  }

  /** How far a host is, judging by its address alone. */
  distance(host: string): Distance {
    const plain = host.split('%')[0] as string
    const family = isIPv6(plain) ? 'ipv6' : 'ipv4'
    const near = this.addresses.find((local) => {
      if ((local.family === 'IPv6') !== (family === 'ipv6')) return false
      return local.host === plain || this.#networkOf(local).check(plain, family)
    })
    if (near === undefined) return 'wan'
    return near.internal || near.host === plain ? 'machine' : 'lan'
  }

  /** Built once per poll at most, since `distance` is called often for every peer. */
  #networkOf(local: LocalAddress): BlockList {
    const known = this.#networks.get(local)
    if (known !== undefined) return known
    const network = new BlockList()
    network.addSubnet(local.host, local.prefix, local.family === 'IPv6' ? 'ipv6' : 'ipv4')
    this.#networks.set(local, network)
    return network
  }

  /** @returns a function that ends the subscription */
  subscribe(listener: (change: InterfaceChange) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  close(): void {
    clearInterval(this.#timer)
    this.#listeners.clear()
  }

  #poll(): void {
    const [before, now] = [this.#addresses, readLocalAddresses()]
    const added = [...now].filter(([id]) => !before.has(id)).map(([, address]) => address)
    const removed = [...before].filter(([id]) => !now.has(id)).map(([, address]) => address)
    this.#addresses = now
    if (added.length === 0 && removed.length === 0) return
    for (const listener of this.#listeners) listener({ added, removed })
  }
}

function readLocalAddresses(): ReadonlyMap<string, LocalAddress> {
  const found = new Map<string, LocalAddress>()
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    for (const { address: host, family, internal, cidr } of addresses ?? []) {
      const prefix = Number(cidr?.split('/')[1] ?? 128)
      found.set(`${name} ${host}`, { name, host, family, internal, prefix })
    }
  }
  return found
}

/** Whether this machine has an address now. */
export function isOwnHost(host: string): boolean {
  return [...readLocalAddresses().values()].some((address) => address.host === host)
}
