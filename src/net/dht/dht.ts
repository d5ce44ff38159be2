import { debuglog } from 'node:util'
import type SecretStream from '@hyperswarm/secret-stream'
import DHT from 'hyperdht'
import { systemCode } from '../../errors.ts'
import type { Address } from '../address/address.ts'

/**
 * What stands between this machine and the outside, as far as the nodes of the DHT see it.
 * - `open`: they reach it unasked.
 * - `steady`: all see the same port, so that others can be told of it, and holes be punched.
 * - `changing`: each sees another port, so that nobody can know where an answer would come through.
 * - `unknown`: they are too few to tell, or none has answered yet.
 */
export type NatKind = 'open' | 'steady' | 'changing' | 'unknown'

/** The peer has answered through the DHT; what failed is the way from here to there. */
const unreachableCodes: ReadonlySet<string | undefined> = new Set([
  'CANNOT_HOLEPUNCH',
  'HOLEPUNCH_ABORTED',
  'HOLEPUNCH_DOUBLE_RANDOMIZED_NATS',
  'HOLEPUNCH_PROBE_TIMEOUT',
  'REMOTE_ABORTED',
  'REMOTE_NOT_HOLEPUNCHABLE',
  'REMOTE_NOT_HOLEPUNCHING'
])
const unreachableMax = 256
/** So many must say as whom they see this machine before a hole is punched. They may be on one host. */
const nodesMin = 3

const trace = debuglog('p2psync:dht')

/** A node of the DHT that remembers what came of its dials, which the swarm keeps to itself. */
export class Dht extends DHT {
  /** The peers that answer through the DHT and can't be reached, by public key in hexadecimal. */
  readonly #unreachable = new Set<string>()

  constructor(bootstrap: readonly Address[] | undefined) {
    super(bootstrap === undefined ? {} : { bootstrap })
  }

  /** How many peers answer through the DHT and can't be reached. */
  get unreachable(): number {
    return this.#unreachable.size
  }

  get nat(): NatKind {
    if (!this.firewalled) return 'open'
    if (this.host === null || this.nodes.length < nodesMin) return 'unknown'
    return this.port === 0 ? 'changing' : 'steady'
  }

  /** The peer is connected, by whichever end dialled. */
  reached(key: Buffer): void {
    this.#unreachable.delete(key.toString('hex'))
  }

  override connect(key: Buffer, options?: object): SecretStream {
    const stream = super.connect(key, options)
    const [peer, startMs] = [key.toString('hex'), performance.now()]
    const tell = (what: string) => trace('%s: %s after %d ms', peer.slice(0, 8), what, performance.now() - startMs)
    let isOpen = false
    trace('%s: dialled', peer.slice(0, 8))
    stream.once('open', () => {
      isOpen = true
      tell('open')
    })
    stream.once('error', (error) => {
      if (isOpen) return
      const code = systemCode(error)
      tell(code ?? String(error))
      if (!unreachableCodes.has(code)) this.#unreachable.delete(peer)
      else if (this.#unreachable.size < unreachableMax) this.#unreachable.add(peer)
    })
    return stream
  }
}
