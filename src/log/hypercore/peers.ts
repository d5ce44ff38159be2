import type Hypercore from 'hypercore'
import type { Claim } from './claims.ts'
import { internalsOf } from './internals.ts'

/** Bounds the blocks of a core that each peer is asked for at once. Hyperbee sets its own bounds when it gets ready. */
export function setRequestsInFlight(core: Hypercore, min: number, max: number): void {
  internalsOf(core).replicator.setInflightRange(min, max)
}

/** Whether a connected peer announced a block. */
export function isOffered(core: Hypercore, block: number): boolean {
  return internalsOf(core).peers.some((peer) => peer.remoteOpened && peer._remoteHasBlock(block))
}

/** Whether a connected peer has opened the core, so that it could announce blocks. */
export function hasOpenPeer(core: Hypercore): boolean {
  return internalsOf(core).peers.some(({ remoteOpened }) => remoteOpened)
}

/** The length and fork that each connected peer has announced. */
export function claimsOf(core: Hypercore): readonly Claim[] {
  return internalsOf(core).peers.filter(({ remoteOpened }) => remoteOpened)
}

/** The same of those that have answered since they connected. */
export function syncedClaimsOf(core: Hypercore): readonly Claim[] {
  return internalsOf(core).peers.filter(({ remoteOpened, remoteSynced }) => remoteOpened && remoteSynced)
}

/** Bytes received over the connections of a core's peers, of all cores together. Falls when a peer leaves. */
export function bytesFromPeers(core: Hypercore): number {
  return internalsOf(core).peers.reduce((sum, { stream }) => sum + (stream.rawStream.bytesReceived ?? 0), 0)
}

/** Stands for a range that wants blocks for as long as its peer is connected: nothing is withdrawn. */
const lastingWant = { addWant: () => {}, removeWant: () => {} }

/**
 * Asks all peers to announce whether they have some blocks. Peers that lack part of a core announce only what the other
 * side wants, and Hypercore wants no block that it has.
 */
export function askWhoHas(core: Hypercore, blocks: readonly number[]): void {
  for (const peer of internalsOf(core).peers) {
    if (peer.remoteOpened) for (const block of blocks) peer._maybeWant(block, lastingWant)
  }
}
