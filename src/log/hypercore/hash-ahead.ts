import type Hypercore from 'hypercore'
import type { DataMessage, TreeNode } from 'hypercore'
import { BufferPool, giveBack, lentWith, reunited } from '../../buffer-pool.ts'
import type { BlockPlaces } from './block-places.ts'
import { onPeer } from './internals.ts'
import { setLeafHash } from './leaf-hash.ts'

/** Hashes blocks off the main thread. */
export interface LeafHasher {
  /**
   * The `leafHash` of a block. Rejects if the hasher can't: the main thread hashes the block then.
   *
   * @param isOfMany whether the block is one of a large file, so that many more follow
   */
  hash(block: Uint8Array, isOfMany: boolean): Promise<Buffer>
}

/** Handing over smaller blocks costs more than hashing them; larger blocks are not of this program's making. */
const bytesMin = 64 * 1024
const bytesMax = 2 * 1024 * 1024
/**
 * Offset of the message in a frame of secret-stream: 3 bytes of length, one of the tag. Several messages in one frame
 * begin with a 0 of Protomux.
 */
const messageAt = 4

/**
 * Memory of blocks until worker threads have hashed and written them. Enough for the blocks on their way, and some
 * more.
 */
const memory = new BufferPool({ bytesMax: 24 * 1024 * 1024, shared: true })

/**
 * Hashes blocks of peers before Hypercore verifies them: most of the cost of receiving them. The memory of the message
 * is given back at once; the memory of a block that goes to a file, by whoever writes it.
 */
export function hashAhead(core: Hypercore, places: BlockPlaces, hasher: LeafHasher): void {
  onPeer(core, (peer) => {
    const { ondata } = peer
    peer.ondata = async (message: DataMessage) => {
      const { index = -1, value = null } = message.block ?? {}
      if (value === null || value.length < bytesMin || value.length > bytesMax) return ondata.call(peer, message)
      const isForFile = places.isExpected(index)
      const settled = settle(message, isForFile)
      const block = settled.block?.value ?? value
      const hash = await hasher.hash(block, isForFile).catch(() => undefined)
      if (hash !== undefined) setLeafHash(block, hash)
      return peer.removed ? undefined : ondata.call(peer, settled)
    }
  })
}

/** Copies a message out of the frame that it came in, and gives the frame back. */
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
  // Proofs of the length or the manifest stay in the frame: they come with few blocks.
  if (frame !== undefined && frame[messageAt] !== 0 && upgrade === null && manifest === null) {
    reunited(frame)
    giveBack(frame)
  }
  return settled
}

function copiesOf(nodes: readonly TreeNode[]): readonly TreeNode[] {
  return nodes.map((node) => ({ ...node, hash: Buffer.from(node.hash) }))
}
