import type { BeeView, Pair } from './bee-view.ts'

/** Which keys are wanted. */
export interface Range {
  /** The first key, or what would be. */
  readonly from: Uint8Array
  /** The first key behind; up to the last one when left out. */
  readonly to: Uint8Array | undefined
  /** Whether none of the keys between two others is wanted, though they lie within the range. */
  readonly skips?: (low: Buffer, high: Buffer) => boolean
}

/** A node of the tree that is still to be looked into, and the keys between which all of its own lie. */
interface Ahead {
  readonly seq: number
  readonly offset: number
  /** The block that names it. */
  readonly namedBy: number
  readonly low: Buffer | undefined
  readonly high: Buffer | undefined
}

/** Nodes and pairs that are looked at together: from far away that is one round trip, as if it were one. */
const windowMax = 256
/** Of so few nodes all children are asked for before it is known which of them are wanted: that saves a round trip each. */
const narrowMax = 4

/**
 * The pairs of a range, by the order of their keys, some at a time: one by one each would cost more than to find it. Nodes that lie side by side are read at the same time, so that it
 * takes about as long as the tree is deep. As each node's keys have to lie between those of the node above, every walk
 * ends, whatever the log says.
 *
 * Throws a `RangeError` where the tree is none.
 */
export async function* pairsIn(view: BeeView, range: Range): AsyncGenerator<readonly Pair[]> {
  if (view.length <= 1) return
  const last = view.length - 1
  // What comes first is at its end.
  const todo: (Ahead | Pair)[] = [{ seq: last, offset: 0, namedBy: last, low: undefined, high: undefined }]
  let pairs: Pair[] = []
  while (todo.length > 0) {
    const window = todo.splice(-windowMax)
    const isNarrow = window.filter(isAhead).length <= narrowMax
    const looking = Promise.all(window.map((item) => (isAhead(item) ? lookInto(view, item, range, isNarrow) : [item])))
    looking.catch(() => {}) // Told below.
    // What comes next is read meanwhile.
    if (pairs.length > 0) yield pairs
    pairs = []
    todo.push(...(await looking).flatMap((each) => each.reverse()))
    for (let item = todo.at(-1); item !== undefined && !isAhead(item); item = todo.at(-1)) {
      todo.pop()
      pairs.push(item)
    }
  }
  if (pairs.length > 0) yield pairs
}

function isAhead(item: Ahead | Pair): item is Ahead {
  return 'seq' in item
}

/** What of a node is wanted: its pairs, and the nodes beneath it, in their order. */
async function lookInto(view: BeeView, ahead: Ahead, range: Range, isNarrow: boolean): Promise<(Ahead | Pair)[]> {
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
  const items: (Ahead | Pair)[] = []
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

/** Whether a wanted key may lie between two. */
function overlaps(low: Buffer | undefined, high: Buffer | undefined, { from, to, skips }: Range): boolean {
  if (high !== undefined && Buffer.compare(high, from) <= 0) return false
  if (low !== undefined && to !== undefined && Buffer.compare(low, to) >= 0) return false
  return low === undefined || high === undefined || !skips?.(low, high)
}
