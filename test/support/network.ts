import type { Duplex } from 'node:stream'
import type { Assert } from 'brittle'
import { keyPair as newKeyPair } from 'hypercore-crypto'
import { Network, type NetworkSettings } from '../../src/net/network.ts'
import type { KeyPair } from '../../src/net/wire/key-pair.ts'

/** Joins a folder's peers through the private DHT alone, until the test ends. */
export async function joinAsPeer(
  t: Assert,
  options: Partial<NetworkSettings> & {
    readonly secret: Uint8Array
    readonly onCarrier: (stream: Duplex) => void
  }
): Promise<Network> {
  const keyPair: KeyPair = options.keyPair ?? newKeyPair()
  const network = new Network({
    keyPair,
    machine: newKeyPair(),
    sends: false,
    lan: false,
    tcp: false,
    onEvent: () => {},
    ...options
  })
  t.teardown(() => network.close(), { order: -1 })
  await network.start()
  return network
}
