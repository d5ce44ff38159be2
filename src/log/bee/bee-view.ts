import { type Level, Node, YoloIndex } from 'hyperbee/lib/messages.js'
import type Hypercore from 'hypercore'
import { BoundedMap } from '../../bounded-map.ts'
import { BlockReader } from './block-reader.ts'

/** A pair in a Hyperbee. `value` is `null` where the pair has none. */
export interface Pair {
  readonly key: Buffer
  readonly value: Buffer | null
}

/** A block of the core: one pair that was put or removed, and the nodes of the tree that changed with it. */
export interface Block extends Pair {
  readonly nodes: readonly Level[]
}

/** A node that is being walked through: its keys and children in turn, `turn` counting both. */
interface Walked {
  readonly seq: number
  readonly offset: number
  readonly node: Level
  readonly parent: Walked | undefined
  turn: number
}

/** A block isn't in the store, and nobody is asked for it. */
export class MissingBlock extends RangeError {
  constructor() {
    super('a block that is not there')
  }
}

/** A block has the nodes on one way down, of at most eight keys each: what is larger was made to harm. */
const nodesMax = 256
const indexBytesMax = 64 * 1024
const blocksKept = 4096
/** What is larger isn't kept. */
const keptBytesMax = 16 * 1024
/** Blocks in a row that are read at once. */
const readAhead = 64

/**
 * A Hyperbee as it stood at a length, read without trust. Hyperbee itself follows whatever a block says:
 * a node that is its own child has it run for ever. Here each step down leads further back in the core or
 * to another node of the same block, each node has a key, and keys only ascend: so every walk ends, after
 * no more steps than there are nodes.
 *
 * All reading throws a `RangeError` where the tree is none.
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
    const way: Walked[] = []
    if (this.length > 1) way.push(await this.#root())
    let last: Buffer | undefined
    for (let at = way.at(-1); at !== undefined; at = way.at(-1)) {
      const { node } = at
      const turn = at.turn++
      if (turn > 2 * node.keys.length) way.pop()
      else if (turn % 2 === 0) {
        const child = await this.#child(at, turn / 2)
        if (child !== undefined) way.push(child)
      } else {
        const block = await this.block(node.keys[(turn - 1) / 2] as number, at.seq)
        if (last !== undefined && Buffer.compare(last, block.key) >= 0) throw new RangeError('keys out of order')
        last = block.key
        yield block
      }
    }
  }

  /** What the last block puts; `undefined` where it removes, or there is none. */
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
   * What was put, or with `undefined` removed, since the bee had a length: each key once, by the order of keys,
   * also where it is as it was. Read from the blocks as they were appended, not from two trees.
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

  /** Each block that was appended since the bee had a length, in its order: what was put once is told, whatever came later. */
  async *appended(length: number): AsyncGenerator<Pair> {
    for (let seq = Math.max(1, length); seq < this.length; seq += readAhead) {
      const count = Math.min(readAhead, this.length - seq)
      yield* await Promise.all(Array.from({ length: count }, (_, i) => this.#load(seq + i)))
    }
  }

  async #root(): Promise<Walked> {
    const seq = this.length - 1
    const root = await this.#walked(seq, 0, undefined)
    // A tree without pairs has an empty root.
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
    // What comes next is read meanwhile; one after the other would be slower five times over.
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
   * A block, read once.
   *
   * @param from the block that names it: it lies behind
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

  /** Has a block come that may be asked for soon, where it isn't here. */
  expect(seq: number, from: number): void {
    if (!this.#reader.has(seq)) this.block(seq, from).catch(() => {})
  }

  async #load(seq: number): Promise<Block> {
    const bytes = await this.#reader.get(seq)
    if (bytes === null) throw new MissingBlock()
    return decodeBlock(bytes)
  }
}

/** Whether a block puts its pair, rather than removes it: what is put is in one of the nodes that changed with it. */
export function isPut({ value, nodes }: Block, seq: number): boolean {
  return value !== null || nodes.some(({ keys }) => keys.includes(seq))
}

/** What a block of the core holds. Throws a `RangeError` where it is no node of a Hyperbee. */
export function decodeBlock(bytes: Uint8Array): Block {
  let failure: unknown
  try {
    const { key, value, index } = Node.decode(bytes)
    const nodes = index.length > indexBytesMax ? [] : YoloIndex.decode(index).levels
    if (nodes.length <= nodesMax && index.length <= indexBytesMax) return { key, value: value ?? null, nodes }
  } catch (error) {
    failure = error
  }
  throw new RangeError('a block that is no node of a Hyperbee', { cause: failure })
}
