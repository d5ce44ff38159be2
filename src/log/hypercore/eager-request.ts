import type Hypercore from 'hypercore'
import { onPeer } from './internals.ts'

/**
 * Has the first block that is wanted of a core come together with the proof of its length. Hypercore waits for that, and
 * to be told which blocks a peer has: one or two round trips more for whoever looks at a log from far away. Each peer is
 * asked so once: who hasn't got the block says so, and all goes on as usual.
 */
export function requestEagerly(core: Hypercore): void {
  onPeer(core, (peer) => {
    const { _requestBlock, _remoteHasBlock } = peer
    let isAsked = false
    peer._requestBlock = (wanted) => {
      if (_requestBlock.call(peer, wanted)) return true
      if (isAsked || core.length > 0 || wanted.index >= peer.remoteLength) return false
      isAsked = true
      peer._remoteHasBlock = () => true
      try {
        return _requestBlock.call(peer, wanted)
      } finally {
        peer._remoteHasBlock = _remoteHasBlock
      }
    }
  })
}
