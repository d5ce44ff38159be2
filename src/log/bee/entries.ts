import b4a from 'b4a'
import Hyperbee from 'hyperbee'
import type Hypercore from 'hypercore'
import { SyncError } from '../../errors.ts'
import { decodeEntry, decodeUtf8 } from '../../format/entry-codec.ts'
import { decodeHead, type Head, headKey } from '../../format/head-codec.ts'
import type { Entry, Extent } from '../../tree/entry.ts'
import { pathFault, type TreePath } from '../../tree/path.ts'
import type { Problem, Version } from '../../tree/tree.ts'
import { waitFor } from '../async/wait-for.ts'
import { BeeView, type Pair } from './bee-view.ts'

/** A core of this length holds the Hyperbee's header alone: no version yet. */
export const headerLength = 1

const head = b4a.from(headKey)

const nothing = Buffer.alloc(0)

/** An entry of a log; `undefined` if the path was removed. */
export type LogEntry = readonly [path: TreePath, entry: Entry | undefined]

/** The Hyperbee over an entries core. */
export function beeOf(core: Hypercore, contentKey?: Uint8Array): Hyperbee {
  return new Hyperbee(core, {
    keyEncoding: 'binary',
    valueEncoding: 'binary',
    extension: false,
    metadata: contentKey && { contentFeed: contentKey }
  })
}

/**
 * The key of the content core, out of the bee's header.
 *
 * @throws {SyncError} DAMAGED when the header can't be read, or names nothing that can be the content core
 */
export async function contentKeyOf(bee: Hyperbee): Promise<Buffer> {
  const header = await bee.getHeader().catch(() => undefined)
  const key = header?.metadata?.contentFeed
  if (key?.length === 32 && !bee.core.key.equals(key)) return key
  throw new SyncError('DAMAGED', 'The log does not tell where its contents are. Nothing of it is applied')
}

/** The latest version that this peer knows of, or `undefined` before the first. */
export function versionOf(core: Hypercore): Version | undefined {
  return core.length > headerLength ? { fork: core.fork, length: core.length } : undefined
}

export interface HeadOptions {
  /** Ends the wait for blocks that aren't here. */
  readonly signal?: AbortSignal | undefined
  /**
   * Called when the head has to be searched for in the tree, as in logs of earlier writers: each step is a round trip.
   */
  readonly onSearch?: () => void
}

/** The head of a version. Throws a `RangeError` if it can't be read. */
export async function headOf(bee: Hyperbee, version: Version, { signal, onSearch }: HeadOptions = {}): Promise<Head> {
  signal?.throwIfAborted()
  const view = new BeeView(bee.core, version.length)
  const search = async () => {
    // Nearly always: writers put it last.
    const last = await view.last()
    if (last?.key.equals(head)) return last
    onSearch?.()
    return view.get(head)
  }
  try {
    // Closing the view ends the wait too, but not while Hypercore checks whether a block is here.
    const pair = await (signal ? waitFor(search(), signal) : search())
    if (!pair?.value) throw new RangeError('a version without a head')
    return decodeHead(pair.value)
  } finally {
    await view.close()
  }
}

/**
 * The head of the version that ends at a length; `undefined` if none does. Throws a `RangeError` if it can't be read.
 */
export async function headEndingAt(bee: Hyperbee, version: Version, signal: AbortSignal): Promise<Head | undefined> {
  signal.throwIfAborted()
  const view = new BeeView(bee.core, version.length)
  try {
    const last = await waitFor(view.last(), signal)
    return last?.value && last.key.equals(head) ? decodeHead(last.value) : undefined
  } finally {
    await view.close()
  }
}

/** The valid entry of a version at a path, if there is one. Throws a `RangeError` if the log holds no tree. */
export async function entryOf(
  bee: Hyperbee,
  version: Version,
  path: TreePath,
  signal: AbortSignal
): Promise<Entry | undefined> {
  signal.throwIfAborted()
  const view = new BeeView(bee.core, version.length)
  try {
    const pair = await waitFor(view.get(b4a.from(path)), signal)
    return pair && readEntry(path, pair, () => {})
  } finally {
    await view.close()
  }
}

/**
 * All valid entries of a version, in the log's order. Invalid ones are reported.
 * Throws a `RangeError` if the log holds no tree.
 */
export async function* entriesOf(
  bee: Hyperbee,
  version: Version,
  onProblem: (problem: Problem) => void
): AsyncGenerator<readonly [TreePath, Entry]> {
  const view = new BeeView(bee.core, version.length)
  try {
    for await (const pair of view.pairs()) {
      const row = readPair(pair, onProblem)
      if (row !== undefined) yield row
    }
  } finally {
    await view.close()
  }
}

/**
 * What changed from one version to a later one of the same fork: each path once, as in the later one, even if it is the
 * same as before.
 * Throws a `RangeError` if the log holds no tree.
 */
export async function* changesOf(
  bee: Hyperbee,
  from: Version,
  to: Version,
  onProblem: (problem: Problem) => void
): AsyncGenerator<LogEntry> {
  const view = new BeeView(bee.core, to.length)
  try {
    for await (const [key, pair] of view.since(from.length)) {
      const path = isOurs(key) ? undefined : readPath(key, onProblem)
      if (path === undefined) continue
      const entry = pair && readEntry(path, pair, onProblem)
      if (pair === undefined || entry !== undefined) yield [path, entry]
    }
  } finally {
    await view.close()
  }
}

/** Each change that the log recorded from a length up to a version, in order. */
export async function* historyOf(bee: Hyperbee, fromLength: number, to: Version): AsyncGenerator<LogEntry> {
  const view = bee.checkout(to.length)
  const ignored = () => {} // Problems are reported when the version itself is read.
  try {
    for await (const node of view.createHistoryStream({ gte: Math.max(fromLength, headerLength) })) {
      if (isOurs(node.key)) continue
      const path = readPath(node.key, ignored)
      const entry = path === undefined || node.type === 'del' ? undefined : readEntry(path, node, ignored)
      if (path !== undefined && (node.type === 'del' || entry !== undefined)) yield [path, entry]
    }
  } finally {
    await view.close()
  }
}

/** The path and entry of a pair; problems are reported, and such pairs yield nothing. */
export function readPair(pair: Pair, onProblem: (problem: Problem) => void): readonly [TreePath, Entry] | undefined {
  const path = isOurs(pair.key) ? undefined : readPath(pair.key, onProblem)
  const entry = path && readEntry(path, pair, onProblem)
  return path === undefined || entry === undefined ? undefined : [path, entry]
}

/** Keys of the program's own begin with NUL; no path does. */
export function isOurs(key: Buffer): boolean {
  return key[0] === 0
}

export function readPath(key: Buffer, onProblem: (problem: Problem) => void): TreePath | undefined {
  const text = decodeUtf8(key)
  const fault = text === undefined ? 'a name that is not UTF-8' : pathFault(text)
  if (fault === undefined) return text as TreePath
  onProblem({ path: text ?? key.toString('latin1'), action: 'log', message: `Refused: ${fault}` })
  return undefined
}

export function readEntry(path: TreePath, { value }: Pair, onProblem: (problem: Problem) => void): Entry | undefined {
  try {
    return decodeEntry(value ?? nothing)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    onProblem({ path, action: 'log', message: `Refused: ${error.message}` })
    return undefined
  }
}

/**
 * The extents of the file in a pair, whatever its path: garbage collection keeps blocks even of paths that can't be in
 * a tree.
 */
export function extentsIn({ key, value }: Pair): readonly Extent[] {
  if (value === null || key[0] === 0) return []
  try {
    const entry = decodeEntry(value)
    return entry.type === 'file' ? entry.extents : []
  } catch (error) {
    // An entry that nobody can read needs no blocks.
    if (!(error instanceof RangeError)) throw error
    return []
  }
}
