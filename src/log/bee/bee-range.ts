import type { BeeView, Pair } from './bee-view.ts'

/** A range of keys. */
export interface Range {
  /** Inclusive; need not exist. */
  readonly from: Uint8Array
  /** Exclusive; up to the last key when left out. */
  readonly to: Uint8Array | undefined
  /** Whether to skip the keys between two others that lie within the range. */
  readonly skips?: (low: Buffer, high: Buffer) => boolean
}

/** A node of the tree that is still to be read, with the keys between which all of its own lie. */
interface PendingNode {
  readonly seq: number
  readonly offset: number
  /** The block that names it. */
  readonly namedBy: number
  readonly low: Buffer | undefined
  readonly high: Buffer | undefined
}

/** Nodes and pairs read at once: for a reader far away, one round trip for all of them. */
const windowMax = 256
/**
 * When no more nodes than this are read, all of their children are requested before it is known which of them lie in
 * the range: that saves a round trip for each level.
 */
const narrowMax = 4

/**
 * The pairs of a range in the order of their keys, in batches: yielding each by itself would cost more than finding it.
 * Nodes side by side are read at the same time, so a range takes about as many reads in a row as the tree is deep. The
 * keys of each node have to lie between those of the node above, so every walk ends, whatever the log contains.
 *
 * Throws a `RangeError` if the blocks hold no tree.
 */
export async function* pairsIn(view: BeeView, range: Range): AsyncGenerator<readonly Pair[]> {
  if (view.length <= 1) return
  const last = view.length - 1
  // A stack: the first one to visit is at the end.
  const todo: (PendingNode | Pair)[] = [{ seq: last, offset: 0, namedBy: last, low: undefined, high: undefined }]
  let pairs: Pair[] = []
  while (todo.length > 0) {
    const window = todo.splice(-windowMax)
    const isNarrow = window.filter(isPending).length <= narrowMax
    const reading = Promise.all(
      window.map((item) => (isPending(item) ? readNode(view, item, range, isNarrow) : [item]))
    )
    reading.catch(() => {}) // Awaited below.
    // The next nodes are read meanwhile.
    if (pairs.length > 0) yield pairs
    pairs = []
    todo.push(...(await reading).flatMap((each) => each.reverse()))
    for (let item = todo.at(-1); item !== undefined && !isPending(item); item = todo.at(-1)) {
      todo.pop()
      pairs.push(item)
    }
  }
  if (pairs.length > 0) yield pairs
}

function isPending(item: PendingNode | Pair): item is PendingNode {
  return 'seq' in item
}

/** The pairs and children of a node that lie in the range, in order. */
async function readNode(
  view: BeeView,
  ahead: PendingNode,
  range: Range,
  isNarrow: boolean
): Promise<(PendingNode | Pair)[]> {
  const { seq, offset, namedBy, low, high } = ahead
  const node = (await view.block(seq, namedBy)).nodes[offset]
  if (node === undefined) throw new RangeError('a node that is not there')
  const { keys, children } = node
  const isRoot = low === undefined && high === undefined && seq === view.length - 1 && offset === 0
  if (keys.length === 0 && (!isRoot || children.length > 0)) throw new RangeError('a node without keys')
  if (children.length > 0 && children.length !== 2 * (keys.length + 1)) throw new RangeError('a node without children')
  if (isNarrow) for (let i = 0; i < children.length; i += 2) view.expect(children[i] as number, seq)
  const pairs = await Promise.all(keys.map((key) => view.block(key, seq)))
  const bounds = [low, ...pairs.map(({ key }) => key), high]
  const items: (PendingNode | Pair)[] = []
  for (let i = 0; i <= pairs.length; i++) {
    const [below, above] = [bounds[i], bounds[i + 1]]
    if (below !== undefined && above !== undefined && Buffer.compare(below, above) >= 0)
      throw new RangeError('keys out of order')
    if (children.length > 0 && overlaps(below, above, range)) {
      const [child, at] = [children[2 * i] as number, children[2 * i + 1] as number]
      items.push({ seq: child, offset: at, namedBy: seq, low: below, high: above })
    }
    const pair = pairs[i]
    if (pair !== undefined && isIn(pair.key, range)) items.push(pair)
  }
  return items
}

function isIn(key: Buffer, { from, to }: Range): boolean {
  return Buffer.compare(key, from) >= 0 && (to === undefined || Buffer.compare(key, to) < 0)
}

/** Whether a key of the range may lie between two keys. */
function overlaps(low: Buffer | undefined, high: Buffer | undefined, { from, to, skips }: Range): boolean {
  if (high !== undefined && Buffer.compare(high, from) <= 0) return false
  if (low !== undefined && to !== undefined && Buffer.compare(low, to) >= 0) return false
  return low === undefined || high === undefined || !skips?.(low, high)
}
