import { debuglog } from 'node:util'
import type SecretStream from '@hyperswarm/secret-stream'
import DHT from 'hyperdht'
import { systemCode } from '../../errors.ts'
import type { Address } from '../address/address.ts'

/**
 * The kind of address translation or firewall in front of this machine, as the DHT's nodes see it.
 * - `open`: unsolicited packets arrive.
 * - `steady`: all nodes see the same port, so peers can punch holes to it.
 * - `changing`: each node sees another port, so peers can't predict where a packet would get through.
 * - `unknown`: too few nodes answer to tell.
 */
export type NatKind = 'open' | 'steady' | 'changing' | 'unknown'

/** Errors after the peer has answered through the DHT: only the direct path to it failed. */
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
/** Nodes that must report how they see this machine before hole punching. They may be on one host. */
const nodesMin = 3

const trace = debuglog('p2psync:dht')

/** A DHT node that records the outcome of its dials, which Hyperswarm doesn't report. */
export class Dht extends DHT {
  /** The public keys, in hexadecimal, of peers that answer through the DHT but can't be reached. */
  readonly #unreachable = new Set<string>()

  constructor(bootstrap: readonly Address[] | undefined) {
    super(bootstrap === undefined ? {} : { bootstrap })
  }

  /** How many peers answer through the DHT but can't be reached. */
  get unreachable(): number {
    return this.#unreachable.size
  }

  get nat(): NatKind {
    if (!this.firewalled) return 'open'
    if (this.host === null || this.nodes.length < nodesMin) return 'unknown'
    return this.port === 0 ? 'changing' : 'steady'
  }

  /** Records that a peer is connected, whichever end dialled. */
  reached(key: Buffer): void {
    this.#unreachable.delete(key.toString('hex'))
  }

  override connect(key: Buffer, options?: object): SecretStream {
    const stream = super.connect(key, options)
    const [peer, startMs] = [key.toString('hex'), performance.now()]
    const traceOutcome = (outcome: string) =>
      trace('%s: %s after %d ms', peer.slice(0, 8), outcome, performance.now() - startMs)
    let isOpen = false
    trace('%s: dialled', peer.slice(0, 8))
    stream.once('open', () => {
      isOpen = true
      traceOutcome('open')
    })
    stream.once('error', (error) => {
      if (isOpen) return
      const code = systemCode(error)
      traceOutcome(code ?? String(error))
      if (!unreachableCodes.has(code)) this.#unreachable.delete(peer)
      else if (this.#unreachable.size < unreachableMax) this.#unreachable.add(peer)
    })
    return stream
  }
}
