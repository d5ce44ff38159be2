import type Hypercore from 'hypercore'
import type { Entry } from '../../tree/entry.ts'
import { isBeneath, parentPath, type TreePath } from '../../tree/path.ts'
import type { Problem, Version } from '../../tree/tree.ts'
import { pairsIn, type Range } from './bee-range.ts'
import { BeeView } from './bee-view.ts'
import { readPair } from './entries.ts'

const slash = 0x2f
/** The smallest first byte of a path: NUL is for keys of the program's own. */
const firstPath = Buffer.of(1)

type Rows = readonly (readonly [TreePath, Entry])[]

const rowsAtOnce = 256

export interface ListOptions {
  /** Whether to list the directories beneath, too. */
  readonly recursive: boolean
  readonly onProblem: (problem: Problem) => void
  /** Ends the wait for missing blocks. */
  readonly signal?: AbortSignal
}

/**
 * The entries of a version in a directory, in the log's order, in batches. Reads only the nodes that lead there.
 * Throws a `RangeError` if the log holds no tree.
 */
export async function* listOf(
  core: Hypercore,
  { length }: Version,
  directory: TreePath | '',
  { recursive, onProblem, signal }: ListOptions
): AsyncGenerator<Rows> {
  const view = new BeeView(core, length)
  const prefix = directory === '' ? 0 : Buffer.byteLength(directory) + 1
  const end = () => void view.close().catch(() => {})
  signal?.addEventListener('abort', end, { once: true })
  try {
    for await (const pairs of pairsIn(view, rangeOf(directory, recursive ? undefined : prefix))) {
      const wanted = recursive ? pairs : pairs.filter(({ key }) => !key.includes(slash, prefix))
      yield wanted.flatMap((pair) => {
        const row = readPair(pair, onProblem)
        return row === undefined ? [] : [row]
      })
    }
  } finally {
    signal?.removeEventListener('abort', end)
    await view.close()
  }
}

/** The rows of a directory among all entries of a version. */
export async function* listIn(
  rows: AsyncIterable<readonly [TreePath, Entry]>,
  directory: TreePath | '',
  { recursive }: ListOptions
): AsyncGenerator<Rows> {
  let some: (readonly [TreePath, Entry])[] = []
  for await (const row of rows) {
    const [path] = row
    if (!(recursive ? isBeneath(path, directory) : parentPath(path) === directory)) continue
    if (some.push(row) < rowsAtOnce) continue
    yield some
    some = []
  }
  yield some
}

/** The valid entry at a path, if there is one. */
export async function listedEntry(view: BeeView, path: TreePath): Promise<Entry | undefined> {
  const key = Buffer.from(path)
  for await (const [pair] of pairsIn(view, { from: key, to: Buffer.concat([key, Buffer.of(0)]) })) {
    return pair && readPair(pair, () => {})?.[1]
  }
  return undefined
}

/** The range of keys of the entries beneath a directory. */
export function keysIn(directory: TreePath | ''): { readonly from: Buffer; readonly to: Buffer | undefined } {
  if (directory === '') return { from: firstPath, to: undefined }
  return { from: Buffer.from(`${directory}/`), to: Buffer.from(`${directory}0`) }
}

/**
 * @param prefix length of the directory's own prefix in bytes, to leave out entries of directories beneath;
 *   `undefined` to include them
 */
function rangeOf(directory: TreePath | '', prefix: number | undefined): Range {
  const { from, to } = keysIn(directory)
  if (prefix === undefined) return { from, to }
  const skips = (low: Buffer, high: Buffer) => {
    // Two keys in one directory beneath: so are all keys between them.
    const end = low.indexOf(slash, prefix)
    return end >= 0 && low.subarray(0, end + 1).equals(high.subarray(0, end + 1))
  }
  return { from, to, skips }
}
