import { type Address, showAddress } from '../address/address.ts'

interface Heard {
  readonly address: Address
  readonly atMs: number
  readonly untilMs: number
}

interface Peer {
  /** By address as text, the last heard at the end. */
  readonly heard: Map<string, Heard>
  reportedMs: number
}

const peersMax = 256
const addressesMax = 8
/** The least time between reports of an unchanged peer. */
const reportMs = 1000

/** The peers announced on the local network, with their addresses. Bounded: the oldest are dropped. */
export class LanPeers {
  readonly #onPeer: (publicKey: string, addresses: readonly Address[]) => void
  /** By public key, the last heard at the end. */
  readonly #peers = new Map<string, Peer>()

  constructor(onPeer: (publicKey: string, addresses: readonly Address[]) => void) {
    this.#onPeer = onPeer
  }

  /** Records that a peer announced an address, valid for `ttlMs`. @param nowMs of a monotonic clock */
  heard(publicKey: string, address: Address, ttlMs: number, nowMs: number): void {
    const peer = this.#peers.get(publicKey) ?? { heard: new Map(), reportedMs: Number.NEGATIVE_INFINITY }
    const text = showAddress(address)
    const isNew = !peer.heard.delete(text)
    peer.heard.set(text, { address, atMs: nowMs, untilMs: nowMs + ttlMs })
    for (const oldest of oldestOf(peer.heard, addressesMax)) peer.heard.delete(oldest)
    this.#peers.delete(publicKey)
    this.#peers.set(publicKey, peer)
    for (const oldest of oldestOf(this.#peers, peersMax)) this.#forget(oldest)
    if (isNew || nowMs - peer.reportedMs >= reportMs) this.#report(publicKey, peer, nowMs)
  }

  /**
   * Records that a peer said goodbye from a host. That ends its addresses at this host only, so that no other host can
   * say goodbye in its name.
   */
  left(publicKey: string, host: string, nowMs: number): void {
    const peer = this.#peers.get(publicKey)
    if (peer !== undefined) this.#drop(publicKey, peer, ({ address }) => address.host === host, nowMs)
  }

  /** Drops expired addresses. */
  expire(nowMs: number): void {
    for (const [publicKey, peer] of this.#peers) this.#drop(publicKey, peer, ({ untilMs }) => untilMs <= nowMs, nowMs)
  }

  /** The public keys of peers whose addresses were all heard in the last `ms`. */
  recent(ms: number, nowMs: number): string[] {
    return [...this.#peers]
      .filter(([, { heard }]) => [...heard.values()].every(({ atMs }) => nowMs - atMs <= ms))
      .map(([publicKey]) => publicKey)
  }

  #drop(publicKey: string, peer: Peer, isGone: (heard: Heard) => boolean, nowMs: number): void {
    const gone = [...peer.heard].filter(([, heard]) => isGone(heard))
    if (gone.length === 0) return
    for (const [text] of gone) peer.heard.delete(text)
    if (peer.heard.size === 0) this.#forget(publicKey)
    else this.#report(publicKey, peer, nowMs)
  }

  #forget(publicKey: string): void {
    if (this.#peers.delete(publicKey)) this.#onPeer(publicKey, [])
  }

  #report(publicKey: string, peer: Peer, nowMs: number): void {
    peer.reportedMs = nowMs
    this.#onPeer(publicKey, [...peer.heard.values()].map(({ address }) => address).reverse())
  }
}

/** The oldest keys beyond `max`. */
function oldestOf(map: ReadonlyMap<string, unknown>, max: number): string[] {
  return map.size <= max ? [] : [...map.keys()].slice(0, map.size - max)
}
