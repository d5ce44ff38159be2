import type Hypercore from 'hypercore'
import type { Entry } from '../../tree/entry.ts'
import { isBeneath, parentPath, type TreePath } from '../../tree/path.ts'
import type { Problem, Version } from '../../tree/tree.ts'
import { pairsIn, type Range } from './bee-range.ts'
import { BeeView } from './bee-view.ts'
import { readPair } from './entries.ts'

const slash = 0x2f
/** The first byte that a path can begin with: NUL is for keys of our own. */
const firstPath = Buffer.of(1)

type Rows = readonly (readonly [TreePath, Entry])[]

const rowsAtOnce = 256

export interface ListOptions {
  /** Also what lies in the directories of the directory, and theirs. */
  readonly recursive: boolean
  readonly onProblem: (problem: Problem) => void
  /** Ends the wait for what isn't here. */
  readonly signal?: AbortSignal
}

/**
 * What a version has in a directory, in the log's order, some of it at a time. Only what leads there is read.
 * Throws a `RangeError` where the log holds no tree.
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

/** The same of all that a version has, as it is told otherwise. */
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

/** What a version has at a path; `undefined` also where that is no valid entry. */
export async function listedEntry(view: BeeView, path: TreePath): Promise<Entry | undefined> {
  const key = Buffer.from(path)
  for await (const [pair] of pairsIn(view, { from: key, to: Buffer.concat([key, Buffer.of(0)]) })) {
    return pair && readPair(pair, () => {})?.[1]
  }
  return undefined
}

/** The keys of all that lies in a directory. */
export function keysIn(directory: TreePath | ''): { readonly from: Buffer; readonly to: Buffer | undefined } {
  if (directory === '') return { from: firstPath, to: undefined }
  return { from: Buffer.from(`${directory}/`), to: Buffer.from(`${directory}0`) }
}

/** @param prefix how many bytes the directory's own name takes, where what lies deeper is to be left out */
function rangeOf(directory: TreePath | '', prefix: number | undefined): Range {
  const { from, to } = keysIn(directory)
  if (prefix === undefined) return { from, to }
  const skips = (low: Buffer, high: Buffer) => {
    // Both within one directory of the directory: so is all between them.
    const end = low.indexOf(slash, prefix)
    return end >= 0 && low.subarray(0, end + 1).equals(high.subarray(0, end + 1))
  }
  return { from, to, skips }
}
