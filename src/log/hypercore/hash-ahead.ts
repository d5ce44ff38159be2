import type Hypercore from 'hypercore'
import type { DataMessage, TreeNode } from 'hypercore'
import { BufferPool, giveBack, lentWith, reunited } from '../../buffer-pool.ts'
import type { BlockPlaces } from './block-places.ts'
import { onPeer } from './internals.ts'
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
/** In a frame of a secret-stream: 3 bytes are its length, one is a tag. Protomux begins several messages by a 0. */
const messageAt = 4

/** Where blocks are until they are written: worker threads hash and write them. For as many as are on their way, and some. */
const memory = new BufferPool({ bytesMax: 24 * 1024 * 1024, shared: true })

/**
 * Has the blocks that come from peers hashed before Hypercore verifies them: most of what it takes to receive them. What
 * they came in is given back at once; what those are in that go into a file, by whoever writes them.
 */
export function hashAhead(core: Hypercore, places: BlockPlaces, hasher: LeafHasher): void {
  onPeer(core, (peer) => {
    const { ondata } = peer
    peer.ondata = async (message: DataMessage) => {
      const { index = -1, value = null } = message.block ?? {}
      if (value === null || value.length < bytesMin || value.length > bytesMax) return ondata.call(peer, message)
      const goesToFile = places.isExpected(index)
      const settled = settle(message, goesToFile)
      const block = settled.block?.value ?? value
      const hash = await hasher.hash(block, goesToFile).catch(() => undefined)
      if (hash !== undefined) setLeafHash(block, hash)
      return peer.removed ? undefined : ondata.call(peer, settled)
    }
  })
}

/** The message in memory of its own, and what it came in given back. */
function settle(message: DataMessage, isShared: boolean): DataMessage {
  const { block, hash, seek, upgrade, manifest } = message
  if (!block?.value) return message
  const value = isShared ? memory.lend(block.value.length) : Buffer.allocUnsafeSlow(block.value.length)
  value.set(block.value)
  const settled = {
    ...message,
    block: { ...block, value, nodes: copiesOf(block.nodes) },
    hash: hash && { ...hash, nodes: copiesOf(hash.nodes) },
    seek: seek && { ...seek, nodes: copiesOf(seek.nodes) }
  }
  const frame = lentWith(block.value)
  // What else it may bring isn't worth a copy: it comes with few.
  if (frame !== undefined && frame[messageAt] !== 0 && upgrade === null && manifest === null) {
    reunited(frame)
    giveBack(frame)
  }
  return settled
}

function copiesOf(nodes: readonly TreeNode[]): readonly TreeNode[] {
  return nodes.map((node) => ({ ...node, hash: Buffer.from(node.hash) }))
}
