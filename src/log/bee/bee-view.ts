import type Hypercore from 'hypercore'
import { BoundedMap } from '../../bounded-map.ts'
import { type BeeNode, decodeBeeBlock, decodeBeeNodes } from '../hypercore/bee-messages.ts'
import { BlockReader } from '../hypercore/block-reader.ts'

/** A pair in a Hyperbee. `value` is `null` where the pair has none. */
export interface Pair {
  readonly key: Buffer
  readonly value: Buffer | null
}

/** A block of the core: a pair that was put or removed, and the nodes of the tree that changed with it. */
export interface Block extends Pair {
  readonly nodes: readonly BeeNode[]
}

/** A node on the way of a walk: its keys and children in turn, `turn` counting both. */
interface Walked {
  readonly seq: number
  readonly offset: number
  readonly node: BeeNode
  readonly parent: Walked | undefined
  turn: number
}

/** A block is missing from the store, and nobody is asked for it. */
export class MissingBlock extends RangeError {
  constructor() {
    super('a block that is not there')
  }
}

/** A block holds the nodes on one path from the root, of at most eight keys each: larger indexes are malicious. */
const nodesMax = 256
const indexBytesMax = 64 * 1024
const blocksKept = 4096
/** Larger values aren't cached. */
const keptBytesMax = 16 * 1024
/** Blocks in a row that are read at once. */
const readAhead = 64

/**
 * A Hyperbee at a length, read without trust. Hyperbee itself follows whatever a block says: a node that is its own
 * child makes it loop for ever. Here each step down leads further back in the core or to another node of the same
 * block, each node has a key, and keys only ascend; so every walk ends, after no more steps than there are nodes.
 *
 * All reading throws a `RangeError` if the blocks hold no tree.
 */
export class BeeView {
  readonly #core: Hypercore
  readonly #reader: BlockReader
  readonly length: number
  readonly #blocks = new BoundedMap<number, Promise<Block>>(blocksKept)

  /** @param length at least 1: the first block is the bee's header */
  constructor(core: Hypercore, length: number) {
    this.#core = core.snapshot()
    this.#reader = new BlockReader(this.#core)
    this.length = length
  }

  close(): Promise<void> {
    return this.#core.close()
  }

  /** All pairs, by the order of their keys. */
  async *pairs(): AsyncGenerator<Pair> {
    const path: Walked[] = []
    if (this.length > 1) path.push(await this.#root())
    let last: Buffer | undefined
    for (let at = path.at(-1); at !== undefined; at = path.at(-1)) {
      const { node } = at
      const turn = at.turn++
      if (turn > 2 * node.keys.length) path.pop()
      else if (turn % 2 === 0) {
        const child = await this.#child(at, turn / 2)
        if (child !== undefined) path.push(child)
      } else {
        const block = await this.block(node.keys[(turn - 1) / 2] as number, at.seq)
        if (last !== undefined && Buffer.compare(last, block.key) >= 0) throw new RangeError('keys out of order')
        last = block.key
        yield block
      }
    }
  }

  /** The pair that the last block puts; `undefined` if it removes one, or there is none. */
  async last(): Promise<Pair | undefined> {
    if (this.length <= 1) return undefined
    const block = await this.block(this.length - 1, this.length - 1)
    return block.value === null ? undefined : block
  }

  /** The pair with this key. */
  async get(key: Uint8Array): Promise<Pair | undefined> {
    let at = this.length > 1 ? await this.#root() : undefined
    while (at !== undefined) {
      let turn = 0
      for (const seq of at.node.keys) {
        const block = await this.block(seq, at.seq)
        const order = Buffer.compare(key, block.key)
        if (order === 0) return block
        if (order < 0) break
        turn++
      }
      at = await this.#child(at, turn)
    }
    return undefined
  }

  /**
   * The pairs that were put since a length, or `undefined` for keys that were removed: each key once, in the order of
   * keys, even if its pair is the same as before. Read from the blocks that were appended, not from a comparison of two
   * trees.
   */
  async *since(length: number): AsyncGenerator<readonly [key: Buffer, pair: Pair | undefined]> {
    const latest = new Map<string, number>()
    for (let seq = Math.max(1, length); seq < this.length; seq++) {
      latest.set((await this.#load(seq)).key.toString('latin1'), seq)
    }
    for (const name of [...latest.keys()].sort()) {
      const seq = latest.get(name) as number
      const block = await this.#load(seq)
      yield [block.key, isPut(block, seq) ? block : undefined]
    }
  }

  /** Each block that was appended since a length, in order, superseded ones included. */
  async *appended(length: number): AsyncGenerator<Pair> {
    for (let seq = Math.max(1, length); seq < this.length; seq += readAhead) {
      const count = Math.min(readAhead, this.length - seq)
      yield* await Promise.all(Array.from({ length: count }, (_, i) => this.#load(seq + i)))
    }
  }

  async #root(): Promise<Walked> {
    const seq = this.length - 1
    const root = await this.#walked(seq, 0, undefined)
    // The root of an empty tree has no keys.
    if (root.node.keys.length === 0 && root.node.children.length > 0) throw new RangeError('a node without keys')
    return root
  }

  async #child(at: Walked, index: number): Promise<Walked | undefined> {
    const { children } = at.node
    if (children.length === 0) return undefined
    const [seq, offset] = [children[2 * index] as number, children[2 * index + 1] as number]
    for (let above: Walked | undefined = at; above?.seq === seq; above = above.parent) {
      if (above.offset === offset) throw new RangeError('a node that leads to itself')
    }
    const child = await this.#walked(seq, offset, at)
    if (child.node.keys.length === 0) throw new RangeError('a node without keys')
    // The pairs of a leaf are read ahead; one after the other took five times as long.
    if (child.node.children.length === 0) for (const key of child.node.keys) this.block(key, seq).catch(() => {})
    return child
  }

  async #walked(seq: number, offset: number, parent: Walked | undefined): Promise<Walked> {
    const { nodes } = await this.block(seq, parent?.seq ?? seq)
    const node = nodes[offset]
    if (node === undefined) throw new RangeError('a node that is not there')
    const { keys, children } = node
    if (children.length > 0 && children.length !== 2 * (keys.length + 1))
      throw new RangeError('a node without children')
    return { seq, offset, node, parent, turn: 0 }
  }

  /**
   * A block, cached.
   *
   * @param from the block that names it, which has to come later in the core
   */
  block(seq: number, from: number): Promise<Block> {
    if (!(seq >= 1 && seq <= from)) return Promise.reject(new RangeError('a block that names a later one'))
    let block = this.#blocks.get(seq)
    if (block !== undefined) return block
    block = this.#load(seq)
    this.#blocks.set(seq, block)
    block.then(
      ({ value }) => {
        if ((value?.length ?? 0) > keptBytesMax) this.#blocks.delete(seq)
      },
      () => this.#blocks.delete(seq)
    )
    return block
  }

  /** Requests a block that may be needed soon, if it isn't here. */
  expect(seq: number, from: number): void {
    if (!this.#reader.has(seq)) this.block(seq, from).catch(() => {})
  }

  async #load(seq: number): Promise<Block> {
    const bytes = await this.#reader.get(seq)
    if (bytes === null) throw new MissingBlock()
    return decodeBlock(bytes)
  }
}

/**
 * Whether a block puts its pair, rather than removes it: a pair that was put is in one of the nodes that changed with
 * it.
 */
export function isPut({ value, nodes }: Block, seq: number): boolean {
  return value !== null || nodes.some(({ keys }) => keys.includes(seq))
}

/** Decodes a block of the core. Throws a `RangeError` if it is no block of a Hyperbee. */
export function decodeBlock(bytes: Uint8Array): Block {
  let failure: unknown
  try {
    const { key, value, index } = decodeBeeBlock(bytes)
    const nodes = index.length > indexBytesMax ? [] : decodeBeeNodes(index)
    if (nodes.length <= nodesMax && index.length <= indexBytesMax) return { key, value, nodes }
  } catch (error) {
    failure = error
  }
  throw new RangeError('a block that is no node of a Hyperbee', { cause: failure })
}
