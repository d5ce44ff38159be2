import type { Duplex } from 'node:stream'
import type { Assert } from 'brittle'
import { keyPair as newKeyPair } from 'hypercore-crypto'
import { Network, type NetworkSettings } from '../../src/net/network.ts'
import type { NetworkEvent } from '../../src/net/status.ts'
import { until } from './until.ts'

/** The default secret of all ends. */
export const secret = Buffer.alloc(32, 7)

/** An end of a network on loopback, with its events. */
export class End {
  readonly events: NetworkEvent[] = []
  readonly carriers: Duplex[] = []
  readonly keys = newKeyPair()
  readonly machine = newKeyPair()
  readonly network: Network

  constructor(t: Assert, options: Partial<NetworkSettings> = {}) {
    this.network = new Network({
      keyPair: this.keys,
      machine: this.machine,
      secret,
      sends: false,
      bootstrap: [],
      lan: false,
      // Only given addresses may be found.
      sameMachine: false,
      onCarrier: (stream) => this.carriers.push(stream),
      onEvent: (event) => this.events.push(event),
      ...options
    })
    t.teardown(() => this.network.close())
  }

  /** The states of its peers, in order. */
  get states(): readonly string[] {
    return this.events.flatMap((event) => (event.type === 'peer' ? [event.state] : []))
  }

  get address() {
    return { host: '127.0.0.1', port: this.network.status.tcp ?? 0 }
  }

  connected(isIt: (transport: string) => boolean = () => true): Promise<unknown> {
    const isConnected = () => this.network.peers.some(({ transport }) => isIt(transport))
    return until(isConnected, { what: 'a peer' })
  }
}

/** Creates an end and starts it. */
export async function openEnd(t: Assert, options: Partial<NetworkSettings> = {}): Promise<End> {
  const end = new End(t, options)
  await end.network.start()
  return end
}
