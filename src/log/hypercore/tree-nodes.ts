import flat from 'flat-tree'
import type Hypercore from 'hypercore'
import type { BlockRead, BlockStorage, BlockWrite, TreeNode } from 'hypercore'
import { BoundedMap } from '../../bounded-map.ts'
import { internalsOf } from './internals.ts'
import { rootsOf } from './raw-reads.ts'

/** Nodes remembered, of those written last: they prove some hundred blocks. */
const nodesMax = 8192
/** No tree is deeper. */
const depthMax = 1024

const byStorage = new WeakMap<BlockStorage, TreeNodes>()

/** The remembered nodes of a core with this storage, if there are any. */
export function treeNodesOf(storage: BlockStorage): TreeNodes | undefined {
  return byStorage.get(storage)
}

/**
 * Remembers the nodes of a core's Merkle tree that were written last. Nodes that came with earlier blocks prove each
 * block that comes, and Hypercore reads them from the store one by one, each by a trip through the storage engine's
 * threads: half the cost of a block.
 */
export class TreeNodes {
  readonly #core: Hypercore
  readonly #nodes = new BoundedMap<number, TreeNode>(nodesMax)

  /** @param storage of the core: its `read` and `write` go through here from now on, except in snapshots */
  constructor(core: Hypercore, storage: BlockStorage) {
    this.#core = core
    const [read, write] = [storage.read, storage.write]
    storage.read = (fork) => this.#takeOverRead(read.call(storage, fork))
    storage.write = () => this.#takeOverWrite(write.call(storage))
    byStorage.set(storage, this)
  }

  /**
   * How many nodes to request above one, up to one that is remembered or a root. The store may hold more of them, but a
   * node that comes with a block needlessly is 40 bytes, and looking it up takes as long as the block.
   *
   * @param length of the core, in blocks
   */
  missing(index: number, length: number): number {
    const head = 2 * length
    if (flat.rightSpan(index) >= head) return 0
    const above = flat.iterator(index)
    for (let count = 0; count < depthMax; count++, above.parent()) {
      if (above.contains(head) || this.#get(above.index) !== undefined) return count
    }
    throw new RangeError(`There are no ${depthMax} nodes above ${index}`)
  }

  #get(index: number): TreeNode | undefined {
    return this.#nodes.get(index) ?? rootsOf(this.#core).find((root) => root.index === index)
  }

  #takeOverRead(rx: BlockRead): BlockRead {
    const { getBlock, getTreeNode, tryFlush } = rx
    rx.getTreeNode = async (index) => this.#get(index) ?? getTreeNode.call(rx, index)
    rx.getBlock = async (index) => (internalsOf(this.#core).core.bitfield.get(index) ? getBlock.call(rx, index) : null)
    rx.tryFlush = () => {
      if (rx.read._operations.length === 0) rx.destroy()
      else tryFlush.call(rx)
    }
    return rx
  }

  #takeOverWrite(tx: BlockWrite): BlockWrite {
    const { putTreeNode, deleteTreeNodeRange, flush } = tx
    const put: TreeNode[] = []
    tx.putTreeNode = (node) => {
      put.push(node)
      putTreeNode.call(tx, node)
    }
    // Another fork: nodes beyond the common part differ there.
    let isOtherFork = false
    tx.deleteTreeNodeRange = (start, end) => {
      isOtherFork = true
      this.#nodes.clear()
      deleteTreeNodeRange.call(tx, start, end)
    }
    tx.flush = async () => {
      const flushed = await flush.call(tx)
      if (isOtherFork) this.#nodes.clear()
      for (const node of put) this.#remember(node)
      return flushed
    }
    return tx
  }

  #remember(node: TreeNode): void {
    this.#nodes.renew(node.index, node)
  }
}

const keptNodes = new WeakSet<BlockStorage>()

/** Keeps the nodes that prove a block when the block is cleared, which Hypercore deletes though other blocks may need them. */
export function keepNodes(core: Hypercore): void {
  const { storage } = internalsOf(core).core.state
  if (keptNodes.has(storage)) return
  keptNodes.add(storage)
  const write = storage.write
  storage.write = () => {
    const tx = write.call(storage)
    tx.deleteTreeNode = () => {}
    return tx
  }
}
