import type { Batch, BatchInternals } from 'hyperbee'
import { type Level, Node, YoloIndex } from 'hyperbee/lib/messages.js'

/** A node of a bee's tree: the blocks of its keys, and its children as pairs of a block and the index of a node in it. */
export type BeeNode = Level

/** The fields of a bee's block; throws on bytes that aren't one. */
export function decodeBeeBlock(bytes: Uint8Array): {
  readonly key: Buffer
  readonly value: Buffer | null
  /** The encoded nodes of the tree that changed with the block. */
  readonly index: Buffer
} {
  const { key, value, index } = Node.decode(bytes)
  return { key, value: value ?? null, index }
}

/** The nodes that a block's `index` encodes; throws on bytes that aren't one. */
export function decodeBeeNodes(index: Uint8Array): readonly BeeNode[] {
  return YoloIndex.decode(index).levels
}

/** The length that the entries core has once all that was put into a batch so far is flushed. */
export function lengthWith(batch: Batch): number {
  return (batch as unknown as BatchInternals).version
}
