import type Hypercore from 'hypercore'
import type { PeerInternals } from 'hypercore'
import { internalsOf, onPeer } from './internals.ts'

/** What a peer may say that it has beyond the blocks that we know of, and have us remember: 2 MB of bits. */
const beyondMax = 2 ** 24
/** How often a peer is asked for what it may not have. */
const askEveryMs = 500

/**
 * Keeps both sides right about who has what where blocks are given up, and come back. Hypercore takes a block that a
 * peer drops for the end of all that it has; and it doesn't say that a block is here to whom has it, nor later, when
 * that one drops it. The hashes that tell where another fork begins it wants only of peers that have those blocks, and
 * there may be none: any peer of that fork may have the hashes.
 */
export function trackAvailability(core: Hypercore): void {
  onPeer(core, (peer) => follow(core, peer))
}

function follow(core: Hypercore, peer: PeerInternals): void {
  const { onrange, onbitfield } = peer
  /** What a peer has from the first block on is one number, which is cut at what begins here: its bits stay as they are. */
  const cut = (start: number, tell: () => unknown): unknown => {
    const length = Math.min(peer._remoteContiguousLength, peer.remoteLength, core.length + beyondMax) - start
    if (length <= 0) return tell()
    peer.remoteBitfield.setRange(start, start + length, true)
    const told = tell()
    peer._unclearLocalRange(start, length)
    return told
  }
  peer.onrange = (message) => {
    if (!message.drop) return onrange.call(peer, message)
    const told = cut(message.start, () => onrange.call(peer, message))
    // As if it had asked what is here.
    internalsOf(core).replicator._onwant(peer, message.start, message.length, false)
    return told
  }
  peer.onbitfield = (message) => cut(message.start, () => onbitfield.call(peer, message))
  peer._requestForkRange = asksAnyway(core, peer)
}

/** What asks a peer for a hash of its fork, though nobody said to have the blocks there. */
function asksAnyway(core: Hypercore, peer: PeerInternals): PeerInternals['_requestForkRange'] {
  const { _remoteHasBlock, _requestForkRange } = peer
  let isEarly = false
  return (reorganisation) => {
    if (_requestForkRange.call(peer, reorganisation)) return true
    if (isEarly) return false
    isEarly = true
    setTimeout(() => {
      isEarly = false
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
