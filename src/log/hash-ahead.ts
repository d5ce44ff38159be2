import type Hypercore from 'hypercore'
import type { DataMessage, Peer } from 'hypercore'
import type { BlockPlaces } from './block-places.ts'
import { setLeafHash } from './leaf-hash.ts'

/** Hashes blocks where nothing else waits for it. */
export interface LeafHasher {
  /**
   * The hash of a block in its core's tree, as `leafHash` has it. Rejects when it can't be had: then it is made here.
   *
   * @param isOfMany whether as many more are to come as make a large file
   */
  hash(block: Uint8Array, isOfMany: boolean): Promise<Buffer>
}

/** Of less it isn't worth while to hand it over; of more, a block is not one of ours. */
const bytesMin = 64 * 1024
const bytesMax = 2 * 1024 * 1024

/** Has the blocks that come from peers hashed before Hypercore verifies them: most of what it takes to receive them. */
export function hashAhead(core: Hypercore, places: BlockPlaces, hasher: LeafHasher): void {
  core.on('peer-add', (peer: Peer) => {
    const { ondata } = peer
    peer.ondata = async (message: DataMessage) => {
      const block = message.block?.value
      if (block && block.length >= bytesMin && block.length <= bytesMax) {
        const hash = await hasher.hash(block, places.isExpected(message.block?.index ?? -1)).catch(() => undefined)
        if (hash !== undefined) setLeafHash(block, hash)
        if (peer.removed) return undefined
      }
      return ondata.call(peer, message)
    }
  })
}
