import type Hypercore from 'hypercore'
import { onPeer } from './internals.ts'

/**
 * Requests the first wanted block of a core together with the proof of its length. Hypercore waits for the proof, and
 * for the peer to announce its blocks: one or two more round trips for a reader far away. Each peer is asked this way
 * once: a peer without the block says so, and requests go on as usual.
 */
export function requestEagerly(core: Hypercore): void {
  onPeer(core, (peer) => {
    const { _requestBlock, _remoteHasBlock } = peer
    let wasAsked = false
    peer._requestBlock = (wanted) => {
      if (_requestBlock.call(peer, wanted)) return true
      if (wasAsked || core.length > 0 || wanted.index >= peer.remoteLength) return false
      wasAsked = true
      peer._remoteHasBlock = () => true
      try {
        return _requestBlock.call(peer, wanted)
      } finally {
        peer._remoteHasBlock = _remoteHasBlock
      }
    }
  })
}
