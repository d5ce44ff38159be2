import b4a from 'b4a'
import type Hypercore from 'hypercore'
import { decodeHead, type Head, headKey, isUnfinished } from '../format/head-codec.ts'
import { isBeneath, type TreePath } from '../tree/path.ts'
import type { Version } from '../tree/tree.ts'
import { type Block, decodeBlock, isPut } from './bee-view.ts'
import { keyIn, piecesOf, type RawBlock } from './blocks.ts'
import { headerLength, isOurs, type LogEntry, readEntry, readPath } from './entries.ts'

/** What a version says of itself, and of the paths that it changes, each once. */
export interface Told {
  readonly version: Version
  readonly head: Head
  readonly changes: readonly LogEntry[]
}

/** Sees to it that blocks are here. */
export type Fetch = (start: number, end: number) => Promise<void>

export interface HistoryOptions {
  readonly fetch: Fetch
  /** Only versions that change this path, or one beneath it, and of those only what it takes to tell of it. */
  readonly path?: TreePath | ''
}

interface Said {
  readonly block: Block
  readonly isPut: boolean
  readonly isWanted: boolean
}

const head = Buffer.from(headKey)
/** Blocks that are asked for together where a reader goes back one version after the other. */
const fetchedAtOnce = 1024
/** Refused where it is looked at as part of a version. */
const unreported = () => {}

/**
 * The versions after a length, up to one, the oldest first. Reads all that the log grew by, block after block.
 * Throws a `RangeError` where a version has no head.
 */
export async function* versionsSince(
  core: Hypercore,
  from: number,
  to: Version,
  { fetch, path = '' }: HistoryOptions
): AsyncGenerator<Told> {
  const start = Math.max(from, headerLength)
  await fetch(start, to.length)
  const paths = path === '' ? undefined : Buffer.from(path)
  let said: RawBlock[] = []
  let isWanted = paths === undefined
  for await (const piece of piecesOf(core, start, to.length)) {
    for (const raw of piece) {
      // Of most blocks nothing but the key is of interest.
      const key = keyIn(raw.bytes)
      if (!head.equals(key)) {
        said.push(raw)
        isWanted ||= paths !== undefined && isAtOrBeneath(key, paths)
        continue
      }
      const value = decodeBlock(raw.bytes).value ?? b4a.alloc(0)
      // More belongs to the same version.
      if (isUnfinished(value)) continue
      if (isWanted) {
        const version = { fork: to.fork, length: raw.seq + 1 }
        yield { version, head: decodeHead(value), changes: changesIn(said, paths) }
      }
      said = []
      isWanted = paths === undefined
    }
  }
}

/** The versions up to one, and after a length, the newest first. Throws a `RangeError` where a version has no head. */
export async function* versionsBack(
  core: Hypercore,
  after: number,
  from: Version,
  { fetch, path = '' }: HistoryOptions
): AsyncGenerator<Told> {
  if (path !== '') {
    // What changed a path isn't known before all was looked at.
    const all: Told[] = []
    for await (const told of versionsSince(core, after, from, { fetch, path })) all.push(told)
    yield* all.reverse()
    return
  }
  let here = from.length
  const first = Math.max(after, headerLength)
  for (let end = from.length; end > first; ) {
    if (end <= here) {
      here = Math.max(headerLength, end - fetchedAtOnce)
      await fetch(here, end)
    }
    const start = await previousEnd(core, end)
    // One, but for logs of earlier writers, whose heads don't tell where a version begins.
    const told: Told[] = []
    for await (const one of versionsSince(core, start, { fork: from.fork, length: end }, { fetch })) told.push(one)
    yield* told.reverse()
    end = start
  }
}

/** Where the version ends that comes before the one that ends at a length; the header's end before the first. */
export async function previousEnd(core: Hypercore, end: number): Promise<number> {
  const bytes = await core.get(end - 1)
  const last = bytes === null ? undefined : decodeBlock(bytes)
  if (!last?.key.equals(head)) throw new RangeError('a version without a head')
  const { before } = decodeHead(last.value ?? b4a.alloc(0))
  return before >= headerLength && before < end ? before : headerLength
}

/** Where the first version ends that ends no sooner than at a length; `undefined` where none does up to another. */
export async function endAtOrAfter(core: Hypercore, length: number, lengthMax: number): Promise<number | undefined> {
  for (let seq = Math.max(length - 1, headerLength); seq < lengthMax; seq++) {
    const bytes = await core.get(seq)
    const { key, value } = decodeBlock(bytes ?? b4a.alloc(0))
    if (key.equals(head) && !decodeHead(value ?? b4a.alloc(0)).unfinished) return seq + 1
  }
  return undefined
}

function isAtOrBeneath(key: Uint8Array, path: Buffer): boolean {
  if (key.length < path.length || Buffer.compare(key.subarray(0, path.length), path) !== 0) return false
  return key.length === path.length || key[path.length] === 0x2f
}

/**
 * What blocks say of paths: each once, as the last of them has it.
 *
 * @param path of which it is to be known, as bytes; then what can't be the other end of a move of it is left out
 */
function changesIn(said: readonly RawBlock[], path: Buffer | undefined): readonly LogEntry[] {
  const latest = new Map<string, Said>()
  for (const { seq, bytes } of said) {
    const block = decodeBlock(bytes)
    const isWanted = path === undefined || isAtOrBeneath(block.key, path)
    if (!isOurs(block.key)) latest.set(block.key.toString('latin1'), { block, isPut: isPut(block, seq), isWanted })
  }
  const all = [...latest.values()]
  const [comes, goes] = [true, false].map((put) => all.some(({ isWanted, isPut }) => isWanted && isPut === put))
  const changes: LogEntry[] = []
  for (const { block, isPut, isWanted } of all) {
    if (!isWanted && !(isPut ? goes : comes)) continue
    const path = readPath(block.key, unreported)
    const entry = path !== undefined && isPut ? readEntry(path, block, unreported) : undefined
    if (path !== undefined && (entry !== undefined || !isPut)) changes.push([path, entry])
  }
  return changes
}

/** Whether a change is of a path, or of one beneath it; of any where it is the folder itself. */
export function concerns(change: TreePath, path: TreePath | ''): boolean {
  return change === path || isBeneath(change, path)
}
