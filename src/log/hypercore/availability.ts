import type Hypercore from 'hypercore'
import type { PeerInternals } from 'hypercore'
import { internalsOf, onPeer } from './internals.ts'

/** How far beyond the known end a peer may announce blocks: 2 MB of bits to remember. */
const beyondMax = 2 ** 24
/** A peer is asked at most this often for hashes that it may not have. */
const askEveryMs = 500

/**
 * Keeps both sides right about who has which blocks when blocks are given up and come back. Three faults of Hypercore
 * are mended: it takes a block that a peer drops for the end of all that the peer has; it never tells a peer that has a
 * block that this side has it too, not even after the peer drops it; and it asks for the hashes that show where another
 * fork begins only peers that have the blocks there, though any peer of that fork may have the hashes, and perhaps no
 * peer has the blocks.
 */
export function trackAvailability(core: Hypercore): void {
  onPeer(core, (peer) => follow(core, peer))
}

function follow(core: Hypercore, peer: PeerInternals): void {
  const { onrange, onbitfield } = peer
  /**
   * Hypercore keeps what a peer has from the first block on as one number, and cuts it at `start`. The bits behind the
   * cut are set first, so that they stay as they were.
   */
  const keepBitsBehind = (start: number, handle: () => unknown): unknown => {
    const length = Math.min(peer._remoteContiguousLength, peer.remoteLength, core.length + beyondMax) - start
    if (length <= 0) return handle()
    peer.remoteBitfield.setRange(start, start + length, true)
    const result = handle()
    peer._unclearLocalRange(start, length)
    return result
  }
  peer.onrange = (message) => {
    if (!message.drop) return onrange.call(peer, message)
    const result = keepBitsBehind(message.start, () => onrange.call(peer, message))
    // As if the peer had asked which of these blocks are here.
    internalsOf(core).replicator._onwant(peer, message.start, message.length, false)
    return result
  }
  peer.onbitfield = (message) => keepBitsBehind(message.start, () => onbitfield.call(peer, message))
  peer._requestForkRange = askRegardless(core, peer)
}

/** A `_requestForkRange` that also asks peers that announced no block there. */
function askRegardless(core: Hypercore, peer: PeerInternals): PeerInternals['_requestForkRange'] {
  const { _remoteHasBlock, _requestForkRange } = peer
  let askedRecently = false
  return (reorganisation) => {
    if (_requestForkRange.call(peer, reorganisation)) return true
    if (askedRecently) return false
    askedRecently = true
    setTimeout(() => {
      askedRecently = false
      if (!peer.removed) internalsOf(core).replicator.updatePeer(peer)
    }, askEveryMs).unref()
    peer._remoteHasBlock = () => true
    try {
      return _requestForkRange.call(peer, reorganisation)
    } finally {
      peer._remoteHasBlock = _remoteHasBlock
    }
  }
}
