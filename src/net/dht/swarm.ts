import { debuglog } from 'node:util'
import type SecretStream from '@hyperswarm/secret-stream'
import Hyperswarm, { type Discovery } from 'hyperswarm'
import type { Address } from '../address/address.ts'
import type { BoundedStream } from '../wire/bounded-stream.ts'
import type { KeyPair } from '../wire/key-pair.ts'
import { throttle } from '../wire/throttle.ts'
import type { Throttles } from '../wire/wire.ts'
import { Dht, type NatKind } from './dht.ts'

export interface SwarmOptions {
  readonly keyPair: KeyPair
  readonly topic: Buffer
  /** The DHT's first nodes; the public DHT when left out. */
  readonly bootstrap?: readonly Address[] | undefined
  readonly throttles: Throttles
  readonly onStream: (stream: BoundedStream) => void
}

/** Pauses before redialling a lost peer, in milliseconds; Hyperswarm's own go from a second to ten minutes. */
const backoffsMs = [400, 1500, 5000, 15_000]
/** The most that the other end may send before it has proven anything. */
const unprovenBytesMax = 4096
/** Connections that have proven nothing yet; each may stay so for 5 seconds. */
const pendingMax = 64
/** Hyperswarm counts unproven connections, too: strangers must not keep it from dialling peers. */
const maxPeers = 3 * pendingMax
/** How long leaving the DHT may delay `close`. */
const closeMsMax = 2000

const trace = debuglog('p2psync:swarm')

/** Finds the peers of a topic through the DHT, and announces this one. */
export class Swarm {
  readonly #dht: Dht
  readonly #swarm: Hyperswarm
  readonly #discovery: Discovery
  readonly #pending = new Set<SecretStream>()

  /** Starts announcing and looking up the topic, without waiting for either. */
  constructor({ keyPair, topic, bootstrap, throttles, onStream }: SwarmOptions) {
    this.#dht = new Dht(bootstrap)
    this.#swarm = new Hyperswarm({ keyPair, backoffs: backoffsMs, maxPeers, dht: this.#dht })
    this.#swarm.on('connection', (stream: SecretStream) => {
      // Connections break in normal use; the swarm dials again.
      stream.on('error', () => {})
      this.#dht.reached(stream.remotePublicKey)
      throttle(stream, throttles)
      onStream({ stream, trust: this.#boundUntilTrusted(stream) })
    })
    this.#discovery = this.#swarm.join(topic, { server: true, client: true })
  }

  /** Announces and looks up the topic again. */
  refresh(): void {
    trace('refreshes')
    // The server's refresh announces us, the discovery's looks up others. Offline they fail; a later refresh retries.
    this.#swarm.server.refresh()
    this.#discovery.refresh().catch(() => {})
  }

  /** Whether nodes of the DHT answer. */
  get online(): boolean {
    return this.#dht.online && this.#dht.nodes.length > 0
  }

  /** How many peers answer through the DHT but can't be reached. */
  get unreachable(): number {
    return this.#dht.unreachable
  }

  get nat(): NatKind {
    return this.#dht.nat
  }

  async close(): Promise<void> {
    let deadline: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      deadline = setTimeout(resolve, closeMsMax)
    })
    await Promise.race([this.#swarm.destroy(), late])
    clearTimeout(deadline)
  }

  #boundUntilTrusted(stream: SecretStream): () => void {
    const { rawStream } = stream
    let received = 0
    const count = (data: Buffer) => {
      received += data.length
      if (received > unprovenBytesMax) stream.destroy()
    }
    const release = () => {
      this.#pending.delete(stream)
      rawStream.off('data', count)
    }
    rawStream.on('data', count)
    stream.once('close', release)
    this.#pending.add(stream)
    if (this.#pending.size > pendingMax) this.#pending.values().next().value?.destroy()
    return release
  }
}
