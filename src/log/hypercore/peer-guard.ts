import type Hypercore from 'hypercore'
import type { PeerInternals, RangeMessage } from 'hypercore'
import { internalsOf, onPeer } from './internals.ts'

/** How far beyond the known end a peer may announce blocks: 16 million are 8 TB of chunks. */
const beyondMax = 2 ** 24
/** Requests of one peer that may wait for an answer. This program never has over 2,048 on their way. */
const requestsMax = 8192
/** How often a peer may change the fork of a log in one connection. */
const forksMax = 100

/**
 * Stands between the peers of a core and Hypercore, which believes them: a range that ends at 2^50 makes it allocate
 * until the process dies, one far block makes it search for minutes, and nothing bounds forks, or requests whose
 * answers are never read.
 */
export function guardPeers(core: Hypercore): void {
  onPeer(core, (peer) => guard(core, peer))
  // Hypercore asks one peer for the proof of a new fork, and no other when that one leaves.
  core.on('peer-remove', () => {
    setImmediate(() => {
      const { peers, replicator } = internalsOf(core)
      for (const peer of peers) replicator._updateFork(peer)
    })
  })
}

/**
 * `null` for a block whose proof lacks nodes here: the peer gets "not available", rather than the end of its
 * connection.
 */
function noneWithoutNodes(error: Error): null {
  if ('code' in error && error.code === 'INVALID_OPERATION') return null
  throw error
}

function guard(core: Hypercore, peer: PeerInternals): void {
  const { onrange, onbitfield, onrequest, onsync, _fulfillRequest } = peer
  const isFar = (end: number) => !(end <= core.length + beyondMax)
  // Blocks that nobody knows of are of no use: the message is ignored, and the peer stays.
  peer.onrange = (message: RangeMessage) => {
    const { start, length, drop } = message
    // A range from the first block on costs one number.
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
  // Hypercore assumes that a block is here once a paused peer asks for it.
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
