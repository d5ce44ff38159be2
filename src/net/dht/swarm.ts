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

/** A peer that was lost is dialled again after these, in milliseconds; Hyperswarm's own go from a second to ten minutes. */
const backoffsMs = [400, 1500, 5000, 15_000]
/** What may come before the other end has proven anything. */
const unprovenBytesMax = 4096
/** Connections that haven't proven anything yet; each is one for 5 seconds at most. */
const pendingMax = 64
/** Hyperswarm counts those too: strangers mustn't keep it from dialling the peers that may connect. */
const maxPeers = 3 * pendingMax
/** How long a leave-taking from the DHT may hold up the end. */
const closeMsMax = 2000

const trace = debuglog('p2psync:swarm')

/** Finds the peers of a topic through a Hyperswarm, and is found. */
export class Swarm {
  readonly #dht: Dht
  readonly #swarm: Hyperswarm
  readonly #discovery: Discovery
  readonly #pending = new Set<SecretStream>()

  /** Begins at once, as one who serves and one who looks for others; waits for neither. */
  constructor({ keyPair, topic, bootstrap, throttles, onStream }: SwarmOptions) {
    this.#dht = new Dht(bootstrap)
    this.#swarm = new Hyperswarm({ keyPair, backoffs: backoffsMs, maxPeers, dht: this.#dht })
    this.#swarm.on('connection', (stream: SecretStream) => {
      // A connection that breaks is normal; the swarm dials again.
      stream.on('error', () => {})
      this.#dht.reached(stream.remotePublicKey)
      throttle(stream, throttles)
      onStream({ stream, trust: this.#boundUntilTrusted(stream) })
    })
    this.#discovery = this.#swarm.join(topic, { server: true, client: true })
  }

  /** Asks the DHT anew: for whoever sits and waits without a peer, and after a change of the network. */
  refresh(): void {
    trace('asks the DHT anew')
    // Both: the one announces us anew, the other looks for others. Offline they fail, and are tried again.
    this.#swarm.server.refresh()
    this.#discovery.refresh().catch(() => {})
  }

  /** Whether nodes of the DHT answer. */
  get online(): boolean {
    return this.#dht.online && this.#dht.nodes.length > 0
  }

  /** How many peers answer through the DHT, and can't be reached. */
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
