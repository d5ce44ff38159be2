import type Hypercore from 'hypercore'
import type { BlockRead, TreeNode } from 'hypercore'
import { internalsOf } from './internals.ts'

export type { TreeNode }

/** The result of one read. */
export type RawOutcome<T> =
  | { readonly value: T; readonly error?: never }
  | { readonly value?: never; readonly error: unknown }

/** Hypercore keeps the bits that tell which blocks are here in pages of this many blocks. */
export const pageBlocks = 32_768

/**
 * Sends several reads to the storage engine at once. They pass by everything that is cached in memory, and a block that
 * lies in a file is read as its mark.
 */
export async function readRaw<T>(
  core: Hypercore,
  ask: (rx: BlockRead) => readonly Promise<T>[]
): Promise<RawOutcome<T>[]> {
  const { storage } = internalsOf(core).core.state
  // The prototype's method: the one of the object is `BlockPlaces`' and `TreeNodes`'.
  const { read } = Object.getPrototypeOf(storage) as typeof storage
  const rx = read.call(storage, -1)
  const asked = Promise.allSettled(ask(rx))
  rx.tryFlush()
  return (await asked).map((outcome) =>
    outcome.status === 'fulfilled' ? { value: outcome.value } : { error: outcome.reason }
  )
}

/** The nodes of a core's tree that cover all of its blocks together. */
export function rootsOf(core: Hypercore): readonly TreeNode[] {
  return internalsOf(core).core.state.roots
}

/** Whether the signature of a core fits its tree; true for a core that has received nothing yet. */
export function isSigned(core: Hypercore): boolean {
  const { verifier, state, header } = internalsOf(core).core
  const { signature } = header.tree
  return verifier === null || signature === null || verifier.verify(state.createTreeBatch(), signature)
}
