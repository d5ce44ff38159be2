import { SyncError } from '../errors.ts'
import { NotToBeHad } from '../log/content/content.ts'
import type { FileEntry } from '../tree/entry.ts'
import type { TreePath } from '../tree/path.ts'
import type { Version } from '../tree/tree.ts'
import { noSuchPath } from './list.ts'
import { type LogSource, pathOf, versionNamed } from './log-source.ts'

export interface ContentParams {
  /** The name of a version; the latest when left out. */
  readonly version?: string
  readonly path: string
  /** The first byte; a negative number counts from the end. */
  readonly start?: number
  /** The byte after the last one; the end when left out. */
  readonly end?: number
}

/** A file's content, or a part of it. */
export interface Content {
  readonly path: TreePath
  readonly version: Version
  readonly entry: FileEntry
  /** How many bytes `bytes` yields. */
  readonly length: number
  readonly bytes: AsyncIterable<Uint8Array>
}

/** Opens a file of a version. @throws {SyncError} NO_SUCH_PATH, NO_SUCH_VERSION, USAGE, DAMAGED; NOT_HELD while the bytes are read */
export async function content(source: LogSource, params: ContentParams, signal: AbortSignal): Promise<Content> {
  const path = pathOf(params.path)
  if (path === '') throw new SyncError('USAGE', 'Give the path of a file within the folder')
  const version = await versionNamed(source, params.version, signal)
  const entry = await source.view.entry(version, path, signal)
  if (entry === undefined) throw noSuchPath(path, version.length)
  if (entry.type === 'directory') throw new SyncError('USAGE', `${path} is a directory. p2psync ls lists it`)
  if (entry.type === 'symlink') throw new SyncError('USAGE', `${path} is a link to ${entry.target}`)
  const range = rangeOf(params, entry.size)
  const length = range.end - range.start
  return { path, version, entry, length, bytes: read(source, { path, version, entry }, range, signal) }
}

/** Reads a range of a version's file. @throws {SyncError} NOT_HELD, DAMAGED */
export function read(
  source: LogSource,
  file: { readonly path: TreePath; readonly version: Version; readonly entry: FileEntry },
  range: { readonly start: number; readonly end: number },
  signal: AbortSignal
): AsyncIterable<Uint8Array> {
  return range.start < range.end ? readRange(source, file, range, signal) : nothing()
}

async function* readRange(
  source: LogSource,
  { path, version, entry }: { readonly path: TreePath; readonly version: Version; readonly entry: FileEntry },
  range: { readonly start: number; readonly end: number },
  signal: AbortSignal
): AsyncGenerator<Uint8Array> {
  try {
    yield* source.view.read(entry, range, signal)
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof NotToBeHad) throw await notHeld(source, path, version, signal)
    if (!(error instanceof RangeError)) throw error
    throw new SyncError('DAMAGED', `The log's entry of ${path} is invalid: ${error.message}`, { cause: error })
  }
}

async function* nothing(): AsyncGenerator<never> {}

function rangeOf({ start = 0, end }: ContentParams, size: number): { readonly start: number; readonly end: number } {
  const from = Math.min(Math.max(start < 0 ? size + start : start, 0), size)
  return { start: from, end: Math.max(from, Math.min(end ?? size, size)) }
}

/** The error that no reachable peer has a content, with the version in which its source gave it up. */
async function notHeld(source: LogSource, path: TreePath, version: Version, signal: AbortSignal): Promise<SyncError> {
  const message = `No reachable peer has the content of ${path} as of version ${version.length}`
  const to = await source.view.finished(signal)
  if (to !== undefined && to.length > version.length) {
    const options = { after: version.length, path, newestFirst: false, signal }
    for await (const { version: next, head } of source.view.versions(to, options)) {
      const when = new Date(head.timeMs).toISOString().slice(0, 16).replace('T', ' ')
      return new SyncError(
        'NOT_HELD',
        `${message}. Its source had it until version ${next.length} (${when} UTC); a mirror that was in sync before ` +
          'may have kept it, or have it still'
      )
    }
  }
  return new SyncError('NOT_HELD', `${message}. Its source has it: is it running?`)
}
