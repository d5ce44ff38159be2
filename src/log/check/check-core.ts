import flat from 'flat-tree'
import type Hypercore from 'hypercore'
import crypto from 'hypercore-crypto'
import { messageOf } from '../../errors.ts'
import { heldBlocks, holdsBlock } from '../hypercore/core-state.ts'
import type { LeafHasher } from '../hypercore/hash-ahead.ts'
import { leafHash } from '../hypercore/leaf-hash.ts'
import { isSigned, pageBlocks, type RawOutcome, readRaw, rootsOf, type TreeNode } from '../hypercore/raw-reads.ts'
import { decodeStored } from '../hypercore/stored-block.ts'

/** One of the two cores of a log. */
export type CoreName = 'entries' | 'content'

/** A finding of a check, or its progress. */
export type CoreFinding =
  /** A block whose bytes differ from those that were signed, or can't be read; the store's metadata of it is sound. */
  | { readonly type: 'block'; readonly core: CoreName; readonly block: number; readonly message: string }
  /** The metadata of the store are damaged, and nobody can tell what else is: the store has to be made anew. */
  | { readonly type: 'store'; readonly message: string }
  /** Blocks and bytes read since the last such finding. */
  | { readonly type: 'read'; readonly blocks: number; readonly bytes: number }

export interface CoreCheckOptions {
  /** The share of blocks and nodes to read, over 0 to 1. */
  readonly sample: number
  /** Random numbers from 0 to 1 that pick the sample. */
  readonly random: () => number
  /** Hashes large blocks off the main thread; the main thread does when left out. */
  readonly hasher?: LeafHasher | undefined
  readonly signal: AbortSignal
}

/** Blocks read at once, in number and in bytes. */
const blocksAtOnce = 64
const bytesAtOnce = 8 * 1024 * 1024
/** Handing over smaller blocks takes longer than hashing them. */
const hashElsewhereMin = 64 * 1024
const nodesAtOnce = 512

/**
 * Reads everything that is here of a core past all caches, and compares it with the signature: each block with its leaf
 * of the Merkle tree, each node with the two beneath it, and the roots with the signature. The storage engine compares
 * its data with checksums of its own, and reports damage by errors.
 *
 * Blocks in place are not read: their bytes are those of files. The core may be written meanwhile: each fault is
 * checked twice.
 */
export async function* checkCore(
  name: CoreName,
  core: Hypercore,
  options: CoreCheckOptions
): AsyncGenerator<CoreFinding> {
  if (core.length === 0) return
  const messages = new Set<string>()
  for await (const finding of findings(name, core, options)) {
    // Everything on one damaged page of the engine fails with the same message.
    if (finding.type === 'store' && messages.size === messages.add(finding.message).size) continue
    yield finding
  }
}

async function* findings(name: CoreName, core: Hypercore, options: CoreCheckOptions): AsyncGenerator<CoreFinding> {
  if (!isSigned(core)) yield { type: 'store', message: `The ends of the ${name} core don't match its signature` }
  for (const root of rootsOf(core)) {
    const [node] = await readRaw(core, (rx) => [rx.getTreeNode(root.index)])
    const fault = node && nodeFault(name, root.index, node, root)
    if (fault !== undefined) yield { type: 'store', message: fault }
  }
  const pages = Math.ceil(core.length / pageBlocks)
  for (const { error } of await readRaw(core, (rx) => Array.from({ length: pages }, (_, i) => rx.getBitfieldPage(i)))) {
    if (error !== undefined) yield { type: 'store', message: `Which blocks are here: ${messageOf(error)}` }
  }
  yield* checkBlocks(name, core, options)
  yield* checkNodes(name, core, options)
}

// Blocks

async function* checkBlocks(name: CoreName, core: Hypercore, options: CoreCheckOptions): AsyncGenerator<CoreFinding> {
  let batch: number[] = []
  for (const block of heldBlocks(core)) {
    if (options.sample >= 1 || options.random() < options.sample) batch.push(block)
    if (batch.length < blocksAtOnce) continue
    options.signal.throwIfAborted()
    yield* checkSome(name, core, batch, options)
    batch = []
  }
  if (batch.length === 0) return
  options.signal.throwIfAborted()
  yield* checkSome(name, core, batch, options)
}

async function* checkSome(
  name: CoreName,
  core: Hypercore,
  blocks: readonly number[],
  options: CoreCheckOptions
): AsyncGenerator<CoreFinding> {
  const leaves = await readRaw(core, (rx) => blocks.map((block) => rx.getTreeNode(2 * block)))
  let next = 0
  while (next < blocks.length) {
    const first = next
    // A leaf that can't be read doesn't tell the length of its block.
    for (let bytes = 0; next < blocks.length && (next === first || bytes < bytesAtOnce); next++)
      bytes += leaves[next]?.value?.size ?? 0
    const some = blocks.slice(first, next)
    const values = await readRaw(core, (rx) => some.map((block) => rx.getBlock(block)))
    const faults = await Promise.all(
      some.map((block, i) =>
        findFaults(name, core, block, leaves[first + i] as RawOutcome<TreeNode | null>, values[i], options)
      )
    )
    yield* faults.flat()
    const bytes = values.reduce((sum, { value }) => sum + (value ? inlineLength(value) : 0), 0)
    yield { type: 'read', blocks: some.length, bytes }
  }
}

function inlineLength(value: Uint8Array): number {
  return decodeStored(value).inline?.length ?? 0
}

async function findFaults(
  name: CoreName,
  core: Hypercore,
  block: number,
  leaf: RawOutcome<TreeNode | null>,
  value: RawOutcome<Uint8Array | null> | undefined,
  options: CoreCheckOptions,
  isSecondLook = false
): Promise<readonly CoreFinding[]> {
  const found = await blockFault(name, block, leaf, value, options)
  if (found === undefined) return []
  if (isSecondLook) return [found]
  // The block may have been cleared, or have come, in between.
  const [leafAgain] = await readRaw(core, (rx) => [rx.getTreeNode(2 * block)])
  const [valueAgain] = await readRaw(core, (rx) => [rx.getBlock(block)])
  if (!holdsBlock(core, block) || leafAgain === undefined) return []
  return findFaults(name, core, block, leafAgain, valueAgain, options, true)
}

async function blockFault(
  name: CoreName,
  block: number,
  leaf: RawOutcome<TreeNode | null>,
  read: RawOutcome<Uint8Array | null> | undefined,
  { hasher }: CoreCheckOptions
): Promise<CoreFinding | undefined> {
  if (leaf.error !== undefined) return { type: 'store', message: messageOf(leaf.error) }
  if (!leaf.value) return { type: 'store', message: `The hash of block ${block} of the ${name} core is gone` }
  const wrong = (message: string): CoreFinding => ({ type: 'block', core: name, block, message })
  if (read?.error !== undefined) {
    const message = messageOf(read.error)
    // Only larger values lie in blob files, where one can be replaced without the others.
    return /blob/i.test(message) ? wrong(message) : { type: 'store', message }
  }
  if (!read?.value) return wrong('Its bytes are gone')
  const { inline, placed } = name === 'content' ? decodeStored(read.value) : { inline: read.value, placed: undefined }
  const { size, hash } = leaf.value
  if (placed !== undefined) return placed === size ? undefined : wrong('It is of another length')
  if (inline === undefined || inline.length !== size) return wrong('It is of another length')
  const isLarge = size >= hashElsewhereMin
  const made = (isLarge && (await hasher?.hash(inline, true).catch(() => undefined))) || leafHash(inline)
  return made.equals(hash) ? undefined : wrong('Its bytes are not those that were signed')
}

// Nodes

/** Compares each node with the two beneath it, if all three are here. */
async function* checkNodes(name: CoreName, core: Hypercore, options: CoreCheckOptions): AsyncGenerator<CoreFinding> {
  const end = 2 * core.length - 1
  let batch: number[] = []
  for (let parent = 1; parent < end; parent += 2) {
    if (options.sample >= 1 || options.random() < options.sample) batch.push(parent)
    if (batch.length < nodesAtOnce && parent + 2 < end) continue
    options.signal.throwIfAborted()
    yield* checkFamilies(name, core, batch)
    batch = []
  }
}

async function* checkFamilies(
  name: CoreName,
  core: Hypercore,
  parents: readonly number[]
): AsyncGenerator<CoreFinding> {
  const families = parents.flatMap((index) => [index, ...childrenOf(index)])
  const nodes = await readRaw(core, (rx) => families.map((index) => rx.getTreeNode(index)))
  for (const [i, outcome] of nodes.entries()) {
    const fault = nodeFault(name, families[i] as number, outcome)
    if (fault !== undefined) yield { type: 'store', message: fault }
  }
  for (let i = 0; i < nodes.length; i += 3) {
    const [node, left, right] = nodes.slice(i, i + 3).map(({ value }) => value)
    if (!node || !left || !right || isParent(node, left, right)) continue
    const message = `The hash of node ${node.index} of the ${name} core isn't that of the two beneath it`
    if (await isStillWrong(core, node.index)) yield { type: 'store', message }
  }
}

function nodeFault(
  name: CoreName,
  index: number,
  { value, error }: RawOutcome<TreeNode | null>,
  known?: TreeNode
): string | undefined {
  if (error !== undefined) return messageOf(error)
  if (known === undefined) return undefined
  const isSame = value?.size === known.size && value.hash.equals(known.hash)
  return isSame ? undefined : `Root ${index} of the ${name} core is not the one that was signed`
}

function childrenOf(index: number): [number, number] {
  const left = flat.iterator(index)
  left.leftChild()
  const right = flat.iterator(left.index)
  right.sibling()
  return [left.index, right.index]
}

function isParent({ size, hash }: TreeNode, left: TreeNode, right: TreeNode): boolean {
  return size === left.size + right.size && hash.equals(crypto.parent(left, right))
}

/** A new fork changes nodes meanwhile, but never half of a family. */
async function isStillWrong(core: Hypercore, index: number): Promise<boolean> {
  const family = [index, ...childrenOf(index)]
  const read = await readRaw(core, (rx) => family.map((node) => rx.getTreeNode(node)))
  const [node, left, right] = read.map(({ value }) => value)
  return !!node && !!left && !!right && !isParent(node, left, right)
}
