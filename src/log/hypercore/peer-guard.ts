import type Hypercore from 'hypercore'
import type { PeerInternals, RangeMessage } from 'hypercore'
import { internalsOf, onPeer } from './internals.ts'

/** So far beyond the blocks that we know of, a peer may say what it has: 16 million are 8 TB of chunks. */
const beyondMax = 2 ** 24
/** Requests of a peer that wait for an answer. Ours never have over 2,048 on their way. */
const requestsMax = 8192
/** A peer's log may change its fork so often in one connection. */
const forksMax = 100

/**
 * Stands between the peers of a core and Hypercore, which believes what they say: a range that ends at
 * 2^50 has it allocate until the process dies, one far block has it search for minutes, and neither
 * requests that are never read the answers of nor forks have a bound.
 */
export function guardPeers(core: Hypercore): void {
  onPeer(core, (peer) => guard(core, peer))
  // One peer is asked for the proof of a new fork; when it goes, Hypercore asks no other.
  core.on('peer-remove', () => {
    setImmediate(() => {
      const { peers, replicator } = internalsOf(core)
      for (const peer of peers) replicator._updateFork(peer)
    })
  })
}

/** Where the nodes of the Merkle tree that prove an answer aren't here, what is asked for isn't either. */
function noneWithoutNodes(error: Error): null {
  if ('code' in error && error.code === 'INVALID_OPERATION') return null
  throw error
}

function guard(core: Hypercore, peer: PeerInternals): void {
  const { onrange, onbitfield, onrequest, onsync, _fulfillRequest } = peer
  const isFar = (end: number) => !(end <= core.length + beyondMax)
  // What a peer has of blocks that nobody knows of is of no use: it is left out, and the peer stays.
  peer.onrange = (message: RangeMessage) => {
    const { start, length, drop } = message
    // From the first block on it is one number.
    if (isFar(start + length) && (start !== 0 || drop)) return undefined
    return onrange.call(peer, message)
  }
  peer.onbitfield = (message) => {
    if (isFar(message.start + 8 * message.bitfield.byteLength)) return undefined
    return onbitfield.call(peer, message)
  }
  peer.onrequest = (message) => {
    if (peer.remoteRequests.size < requestsMax) return onrequest.call(peer, message)
    peer.stream.destroy()
    return undefined
  }
  // Of a peer that is paused, Hypercore takes for granted that what it asks for is here.
  peer._fulfillRequest = async (request, pushing) => {
    const proof = await request.fulfill().catch(noneWithoutNodes)
    if (proof === null && !peer.isActive()) return undefined
    request.fulfill = async () => proof
    return _fulfillRequest.call(peer, request, pushing)
  }
  let forks = 0
  peer.onsync = (message) => {
    if (message.fork !== peer.remoteFork && ++forks > forksMax) {
      peer.stream.destroy()
      return undefined
    }
    return onsync.call(peer, message)
  }
}
