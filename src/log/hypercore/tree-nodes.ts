import flat from 'flat-tree'
import type Hypercore from 'hypercore'
import type { BlockRead, BlockStorage, BlockWrite, TreeNode } from 'hypercore'
import { BoundedMap } from '../../bounded-map.ts'

/** Remembered of those written last: what proves some hundred blocks. */
const nodesMax = 8192
/** No tree is deeper. */
const depthMax = 1024

const byStorage = new WeakMap<BlockStorage, TreeNodes>()

/** The nodes that are remembered of a core with this storage, if any are. */
export function treeNodesOf(storage: BlockStorage): TreeNodes | undefined {
  return byStorage.get(storage)
}

/**
 * The nodes of a core's Merkle tree that came last. Each block that comes is proven by those that came with blocks
 * before it. Hypercore reads them from the store, one by one: each time a way through the storage engine's threads, and
 * together half of what a block costs.
 */
export class TreeNodes {
  readonly #core: Hypercore
  readonly #nodes = new BoundedMap<number, TreeNode>(nodesMax)

  /** @param storage of the core: its `read` and `write` go through here from now on, but for snapshots */
  constructor(core: Hypercore, storage: BlockStorage) {
    this.#core = core
    const [read, write] = [storage.read, storage.write]
    storage.read = (fork) => this.#takeOverRead(read.call(storage, fork))
    storage.write = () => this.#takeOverWrite(write.call(storage))
    byStorage.set(storage, this)
  }

  /**
   * How many nodes above one are to be asked for, up to one that is remembered or a root. There may be more in the store:
   * what comes with a block that isn't needed is 40 bytes, and asking there takes as long as the block.
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
    return this.#nodes.get(index) ?? this.#core.core.state.roots.find((root) => root.index === index)
  }

  #takeOverRead(rx: BlockRead): BlockRead {
    const { getBlock, getTreeNode, tryFlush } = rx
    rx.getTreeNode = async (index) => this.#get(index) ?? getTreeNode.call(rx, index)
    rx.getBlock = async (index) => (this.#core.core.bitfield.get(index) ? getBlock.call(rx, index) : null)
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
    // Another fork: whatever is beyond what it has in common with this one is another there.
    let isOther = false
    tx.deleteTreeNodeRange = (start, end) => {
      isOther = true
      this.#nodes.clear()
      deleteTreeNodeRange.call(tx, start, end)
    }
    tx.flush = async () => {
      const flushed = await flush.call(tx)
      if (isOther) this.#nodes.clear()
      for (const node of put) this.#remember(node)
      return flushed
    }
    return tx
  }

  #remember(node: TreeNode): void {
    this.#nodes.renew(node.index, node)
  }
}
