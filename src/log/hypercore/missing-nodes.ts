import flat from 'flat-tree'
import type { BlockStorage } from 'hypercore'
import { MerkleTree } from 'hypercore/lib/merkle-tree.js'
import { treeNodesOf } from './tree-nodes.ts'

/** Nodes read at once: a peer that has most of a core lacks one or two. */
const nodesAtOnce = 4
/** No tree is deeper. */
const depthMax = 1024

/**
 * Counts the nodes from one in a core's tree upwards that aren't here, up to one that is. Hypercore calls it before
 * each request of a block, and its own function reads one node after the other, each by a trip through the storage
 * engine's threads; this one reads several at once.
 */
export async function missingNodes(
  session: { readonly storage: BlockStorage },
  index: number,
  length: number
): Promise<number> {
  const known = treeNodesOf(session.storage)
  if (known !== undefined) return known.missing(index, length)
  const head = 2 * length
  if (flat.rightSpan(index) >= head) return 0
  const above = flat.iterator(index)
  for (let count = 0; count < depthMax; ) {
    const rx = session.storage.read()
    const nodes: Promise<unknown>[] = []
    for (; nodes.length < nodesAtOnce && !above.contains(head); above.parent()) nodes.push(rx.getTreeNode(above.index))
    rx.tryFlush()
    for (const node of await Promise.all(nodes)) {
      if (node !== null) return count
      count++
    }
    if (nodes.length < nodesAtOnce) return count
  }
  throw new RangeError(`There are no ${depthMax} nodes above ${index}`)
}

MerkleTree.missingNodes = missingNodes
