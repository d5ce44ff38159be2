import { setTimeout as sleep } from 'node:timers/promises'
import { keyPair } from 'hypercore-crypto'
import { parseKey, type StoreKeyPair } from '../log/hypercore/store.ts'
import type { Address } from '../net/address/address.ts'
import { Network } from '../net/network.ts'
import type { NetworkStatus, PeerStatus } from '../net/status.ts'

export interface FindPeersOptions {
  readonly key: string
  readonly machine: StoreKeyPair
  readonly bootstrap?: readonly Address[] | undefined
  readonly lan: boolean
  /** How long to look for a first peer, in milliseconds. */
  readonly ms: number
}

/** How long to wait for more peers after the first. */
const moreMs = 500
const tickMs = 50

/**
 * Connects to the peers of a folder, as this machine, and replicates nothing.
 *
 * @returns the peers that connected in time, and the state of the network at the end
 * @throws {SyncError} BAD_KEY
 */
export async function findPeers({
  key,
  machine,
  bootstrap,
  lan,
  ms
}: FindPeersOptions): Promise<{ readonly peers: readonly PeerStatus[]; readonly status: NetworkStatus }> {
  const network = new Network({
    keyPair: keyPair(),
    machine,
    secret: parseKey(key),
    sends: false,
    bootstrap,
    lan,
    onCarrier: () => {},
    onEvent: () => {}
  })
  try {
    await network.start()
    const endMs = performance.now() + ms
    while (network.peers.length === 0 && performance.now() < endMs) await sleep(tickMs)
    if (network.peers.length > 0) await sleep(Math.max(0, Math.min(moreMs, endMs - performance.now())))
    return { peers: network.peers, status: network.status }
  } finally {
    await network.close()
  }
}
