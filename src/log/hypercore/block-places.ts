import { debuglog } from 'node:util'
import flat from 'flat-tree'
import type Hypercore from 'hypercore'
import type { BlockStorage, BlockWrite, PeerInternals, TreeNode } from 'hypercore'
import { BoundedMap } from '../../bounded-map.ts'
import { giveBack } from '../../buffer-pool.ts'
import { type BlockRef, firstCore } from '../../tree/block-ref.ts'
import { nextHeld } from './core-state.ts'
import { internalsOf, onPeer } from './internals.ts'
import { leafHash, setLeafHash } from './leaf-hash.ts'
import { rootsOf } from './raw-reads.ts'
import { decodeStored, encodeInline, encodePlaced } from './stored-block.ts'
import { TreeNodes } from './tree-nodes.ts'

const trace = debuglog('p2psync:places')

/** The files of a folder that hold blocks of its content cores in place. */
export interface BlockFiles {
  /**
   * Reads a block from any file that holds it; `undefined` if none does any more.
   *
   * @param length of the block, in bytes
   * @param offsetOf the offset of the block of an index in the same core, in bytes
   * @param isBlock whether some bytes are those of the block, by the log: if one file may have changed, another may
   *   hold it too
   */
  read(
    block: BlockRef,
    length: number,
    offsetOf: (index: number) => Promise<number>,
    isBlock?: (bytes: Uint8Array) => Promise<boolean>
  ): Promise<FoundBlock | undefined>
}

export interface FoundBlock {
  /** May be lent memory, which the receiver may give back. */
  readonly bytes: Buffer
  /** Whether the file is surely unchanged since it was compared with the log. */
  readonly certain: boolean
}

/** For a store without a folder. */
export const noFiles: BlockFiles = { read: async () => undefined }

/** Offsets remembered: blocks are read one after the other, and each gives the offset of the next. */
const offsetsMax = 4096
const leavesAtOnce = 1024
/** Stands for the bytes of a block in a file; no block is larger. */
const zeros = new ArrayBuffer(15 * 1024 * 1024)

/**
 * Content in place: blocks of a core whose bytes lie in files of the folder. The store holds a mark of 13 bytes under
 * the key of such a block, written with the rest of the core's data; reading the block follows the mark to a file.
 */
export class BlockPlaces {
  readonly #core: Hypercore
  /** The number that the core has in its folder. */
  readonly #number: number
  readonly #files: BlockFiles
  readonly #storage: BlockStorage
  readonly #readRaw: BlockStorage['read']
  /** Blocks that go to a file when they arrive. */
  readonly #expected = new Set<number>()
  /** Blocks that have arrived, and aren't in their file yet. */
  readonly #held = new Map<number, Uint8Array>()
  readonly #placeholders = new WeakSet<Uint8Array>()
  readonly #offsets = new BoundedMap<number, Promise<number>>(offsetsMax)

  /**
   * @param core that is ready; its storage is wrapped
   * @param number of the core in its folder
   */
  constructor(core: Hypercore, files: BlockFiles, number = firstCore) {
    this.#core = core
    this.#number = number
    this.#files = files
    this.#storage = internalsOf(core).core.state.storage
    new TreeNodes(core, this.#storage)
    this.#readRaw = this.#storage.read.bind(this.#storage)
    this.#takeOver(this.#storage)
    onPeer(core, giveBackSent)
    core.on('truncate', () => this.#offsets.clear())
  }

  /** A stand-in for a block of `length` bytes in a file, to be appended. @param hash its `leafHash` */
  placeholder(length: number, hash: Buffer): Uint8Array {
    const block = Buffer.from(zeros, 0, length)
    setLeafHash(block, hash)
    this.#placeholders.add(block)
    return block
  }

  /**
   * Restores a block that was given up when a file holds its bytes again, so that nobody has to fetch it.
   *
   * @param hash the `leafHash` of the bytes
   * @returns whether they are this block's
   */
  async reclaim(block: number, length: number, hash: Buffer): Promise<boolean> {
    const leaf = await this.leafOf(block)
    if (leaf === undefined || leaf.size !== length || !leaf.hash.equals(hash)) return false
    const value = this.placeholder(length, hash)
    const nothing = { hash: null, seek: null, upgrade: null, manifest: null }
    await internalsOf(this.#core).applyProof({
      fork: this.#core.fork,
      block: { index: block, value, nodes: [] },
      ...nothing
    })
    return this.#core.has(block)
  }

  /** Holds this block in memory when it arrives, until it is `written` to a file. */
  expect(block: number): void {
    this.#expected.add(block)
  }

  /** Whether a block goes to a file when it arrives. */
  isExpected(block: number): boolean {
    return this.#expected.has(block)
  }

  /** The block is in its file, and can be read from there. */
  written(block: number): void {
    this.#expected.delete(block)
    this.#held.delete(block)
  }

  /** Expects these blocks no more. Those that arrived, and weren't written, are dropped: they may be fetched again. */
  async abandon(blocks: Iterable<number>): Promise<void> {
    for (const block of blocks) {
      this.#expected.delete(block)
      if (this.#held.delete(block)) await this.#core.clear(block)
    }
  }

  /** Gives up a block that no file holds any more. */
  async forget(block: number): Promise<void> {
    await this.#core.clear(block)
  }

  /**
   * Gives up the blocks of a range, `end` excluded, that lie in files and that no file holds any more; blocks in the
   * store stay.
   */
  async release(first: number, end: number, isHeld: (block: BlockRef) => boolean): Promise<void> {
    let start = -1
    let next = first
    for (;;) {
      const block = nextHeld(this.#core, next)
      const isOver = block < 0 || block >= end
      const isLoose = !isOver && !isHeld(this.refOf(block)) && (await this.lengthOf(block)) !== undefined
      if (start >= 0 && (!isLoose || block !== next)) {
        await this.#core.clear(start, next)
        start = -1
      }
      if (isOver) return
      if (isLoose && start < 0) start = block
      next = block + 1
    }
  }

  /** The name of a block of this core among all blocks of its folder. */
  refOf(index: number): BlockRef {
    return { core: this.#number, index }
  }

  /** The length of a block if it lies in a file; `undefined` otherwise. */
  async lengthOf(block: number): Promise<number | undefined> {
    if (!(await this.#core.has(block))) return undefined
    const rx = this.#readRaw()
    const stored = rx.getBlock(block)
    rx.tryFlush()
    const value = await stored
    return value === null ? undefined : decodeStored(value).placed
  }

  /** Whether these are the bytes of a block, by the log. */
  async isBlock(block: number, bytes: Uint8Array): Promise<boolean> {
    const node = await this.#leaf(block)
    return node !== null && node.size === bytes.length && node.hash.equals(leafHash(bytes))
  }

  /** Length and hash of a block, by the log; `undefined` if its leaf isn't here. */
  async leafOf(block: number): Promise<{ readonly size: number; readonly hash: Buffer } | undefined> {
    return (await this.#leaf(block)) ?? undefined
  }

  /** Length and hash of each of some blocks in a row, up to the first whose leaf isn't here. */
  async leavesOf(first: number, blocks: number): Promise<TreeNode[]> {
    const leaves: TreeNode[] = []
    while (leaves.length < blocks) {
      const rx = this.#readRaw()
      const count = Math.min(leavesAtOnce, blocks - leaves.length)
      const reading = Array.from({ length: count }, (_, i) => rx.getTreeNode(2 * (first + leaves.length + i)))
      rx.tryFlush()
      for (const leaf of await Promise.all(reading)) {
        if (leaf === null) return leaves
        leaves.push(leaf)
      }
    }
    return leaves
  }

  #leaf(block: number) {
    const rx = this.#readRaw()
    const node = rx.getTreeNode(2 * block)
    rx.tryFlush()
    return node
  }

  /** Wraps reading and writing of blocks, also in snapshots. */
  #takeOver(storage: BlockStorage): void {
    const [read, write, snapshot] = [storage.read, storage.write, storage.snapshot]
    storage.read = (fork) => {
      const rx = read.call(storage, fork)
      const getBlock = rx.getBlock
      rx.getBlock = (index) => this.#resolve(index, getBlock.call(rx, index))
      return rx
    }
    storage.write = () => this.#takeOverWrite(write.call(storage))
    storage.snapshot = () => {
      const copy = snapshot.call(storage)
      this.#takeOver(copy)
      return copy
    }
  }

  #takeOverWrite(tx: BlockWrite): BlockWrite {
    const putBlock = tx.putBlock
    tx.putBlock = (index, bytes) => putBlock.call(tx, index, this.#stored(index, bytes))
    // Nodes that prove a cleared block may prove another, which peers couldn't verify without them.
    tx.deleteTreeNode = () => {}
    return tx
  }

  #stored(index: number, bytes: Uint8Array): Uint8Array {
    if (this.#placeholders.has(bytes)) return encodePlaced(bytes.length)
    if (!this.#expected.has(index)) return encodeInline(unshared(bytes))
    this.#held.set(index, bytes)
    return encodePlaced(bytes.length)
  }

  async #resolve(index: number, reading: Promise<Uint8Array | null>): Promise<Uint8Array | null> {
    const value = await reading
    if (value === null) return null
    const { inline, placed } = decodeStored(value)
    if (inline !== undefined) return inline
    const held = this.#held.get(index)
    // A copy: the writer of the block gives its memory back afterwards.
    if (held !== undefined) return Buffer.from(held)
    const offset = this.offsetOf(index)
    this.#remember(
      index + 1,
      offset.then((bytes) => bytes + placed)
    )
    const offsetOf = (block: number) => this.offsetOf(block)
    const isBlock = (bytes: Uint8Array) => this.isBlock(index, bytes)
    const found = await this.#files.read(this.refOf(index), placed, offsetOf, isBlock).catch(() => undefined)
    if (found !== undefined && (found.certain || (await isBlock(found.bytes)))) return found.bytes
    trace('block %d is in no file any more', index)
    return null
  }

  /** The offset of a block in the core, in bytes. Rejects if nodes that tell it aren't here. */
  offsetOf(block: number): Promise<number> {
    const known = this.#offsets.get(block)
    if (known !== undefined) return known
    const offset = this.#findOffset(block)
    this.#remember(block, offset)
    return offset
  }

  async #findOffset(block: number): Promise<number> {
    const rx = this.#readRaw()
    const before = nodesBefore(block, rootsOf(this.#core)).map((node) =>
      typeof node === 'number' ? rx.getTreeNode(node) : node
    )
    rx.tryFlush()
    let offset = 0
    for (const node of await Promise.all(before)) {
      if (node === null) throw new Error(`Where block ${block} begins isn't known`)
      offset += node.size
    }
    return offset
  }

  #remember(block: number, offset: Promise<number>): void {
    this.#offsets.renew(block, offset)
    // The nodes may come later.
    offset.catch(() => this.#offsets.delete(block))
  }
}

/** Not every native module can read memory that threads share. */
function unshared(bytes: Uint8Array): Uint8Array {
  return bytes.buffer instanceof SharedArrayBuffer ? Buffer.from(bytes) : bytes
}

/** Gives back the memory of a block once it was sent. */
function giveBackSent(peer: PeerInternals): void {
  const { _fulfillRequest } = peer
  peer._fulfillRequest = async (request, isPushed) => {
    const { fulfill } = request
    let sent: Uint8Array | undefined
    request.fulfill = async () => {
      const proof = await fulfill.call(request)
      sent = proof?.block?.value
      return proof
    }
    await _fulfillRequest.call(peer, request, isPushed)
    if (sent !== undefined) giveBack(sent)
  }
}

/** The nodes that together cover all blocks before one: roots, and indexes of nodes in the store. */
function nodesBefore(block: number, roots: readonly TreeNode[]): (TreeNode | number)[] {
  const nodes: (TreeNode | number)[] = []
  const index = 2 * block
  for (const root of roots) {
    if (flat.rightSpan(root.index) < index) {
      nodes.push(root)
      continue
    }
    for (const at = flat.iterator(root.index); at.index !== index; ) {
      if (index < at.index) at.leftChild()
      else {
        nodes.push(at.leftChild())
        at.sibling()
      }
    }
    break
  }
  return nodes
}
