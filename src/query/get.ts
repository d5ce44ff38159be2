import { basename, join, resolve } from 'node:path'
import { makeDurable } from '../disk/path/durable.ts'
import {
  checkTarget,
  exportDirectory,
  exportFile,
  exportLink,
  finishDirectory,
  writeFailure
} from '../disk/write/export.ts'
import { isDiskFull, messageOf, SyncError, systemCode } from '../errors.ts'
import { endingWith } from '../log/async/wait-for.ts'
import { parentPath, type TreePath } from '../tree/path.ts'
import type { Problem } from '../tree/tree.ts'
import type { ContentParams } from './content.ts'
import type { ListParams, list } from './list.ts'
import { pathOf } from './log-source.ts'
import type { EntryFields } from './records.ts'

export interface GetParams {
  /** The name of a version; the latest when left out. */
  readonly version?: string
  /** A file or directory; the folder itself when left out. */
  readonly path?: string
  /** The path to write to; its own name in the working directory when left out. */
  readonly to?: string
  /** Whether to replace a file at `to`. */
  readonly force?: boolean
}

/** Files written at the same time: one whose content is late doesn't hold up the others. */
const filesAtOnce = 16

/** The operations of an open log that `get` needs. */
export interface Readable {
  readonly list: (params: ListParams) => AsyncIterable<Listed>
  readonly content: (params: ContentParams, signal: AbortSignal) => AsyncIterable<Uint8Array>
}

type Listed = ReturnType<typeof list> extends AsyncIterable<infer Record> ? Record : never

export type GetRecord =
  | { readonly type: 'wrote'; readonly path: string; readonly to: string; readonly size: number }
  | ({ readonly type: 'problem' } & Problem)
  | {
      readonly type: 'got'
      readonly to: string
      readonly version: number
      readonly files: number
      readonly bytes: number
      readonly problems: number
    }

/**
 * Writes a version's file, or a directory with all it holds, to any place on this machine. Each content is checked against
 * its hash. A file that can't be read or written is reported as a problem, and the others go on.
 *
 * @throws {SyncError} NO_SUCH_PATH, NO_SUCH_VERSION, FOLDER_MISSING, FOLDER_NOT_EMPTY, FOLDER_UNREADABLE, DISK_FULL, USAGE
 */
export async function* get(log: Readable, params: GetParams, signal: AbortSignal): AsyncGenerator<GetRecord> {
  const { force = false } = params
  const root = pathOf(params.path)
  const listed = { ...(params.version === undefined ? {} : { version: params.version }), recursive: true }
  const entries: EntryFields[] = []
  let version = 0
  let problems = 0
  for await (const record of log.list(root === '' ? listed : { ...listed, path: root })) {
    if (record.type === 'version') version = record.version
    else if (record.type === 'entry') entries.push(record)
    else {
      problems++
      yield record
    }
  }
  const single = entries.find(({ path, kind }) => path === root && kind !== 'directory')
  const to = resolve(params.to ?? (basename(root) || 'folder'))
  checkTarget(to, { replace: force && single !== undefined })
  // By number, so that all files are of one version, whatever is published meanwhile.
  const ending = endingWith(signal)
  const content = (path: string) => log.content({ path, version: String(version) }, ending.signal)
  const totals = { files: 0, bytes: 0 }
  try {
    const target = { to, root, single: single !== undefined, force, content, stop: ending.end }
    for await (const record of write(single ? [single] : entries, target)) {
      if (record.type === 'problem') problems++
      else if (record.type === 'wrote') {
        totals.files++
        totals.bytes += record.size
      }
      yield record
    }
  } finally {
    ending.end()
  }
  yield { type: 'got', to, version, ...totals, problems }
}

interface Target {
  readonly to: string
  readonly root: string
  readonly single: boolean
  readonly force: boolean
  readonly content: (path: string) => AsyncIterable<Uint8Array>
  /** Ends reads that are still going on. */
  readonly stop: () => void
}

/**
 * Writes directories first, then files, and links last, so that nothing is written through a link. An entry is refused
 * unless the log has its parent as a directory.
 */
async function* write(entries: readonly EntryFields[], target: Target): AsyncGenerator<GetRecord> {
  const { to, root, single } = target
  const made = new Set<string>(single ? [parentPath(root as TreePath)] : [root])
  if (!single) attempt(to, () => exportDirectory(to, 0o777))
  const ranks = { directory: 0, file: 1, symlink: 2 } as const
  const order = (a: EntryFields, b: EntryFields) => ranks[a.kind] - ranks[b.kind] || (a.path < b.path ? -1 : 1)
  const todo = [...entries].sort(order)
  const writing: Promise<GetRecord | undefined>[] = []
  /** The first failure that ends the whole operation. */
  let failure: { readonly error: unknown } | undefined
  try {
    for (const entry of todo) {
      const isFile = entry.kind === 'file'
      // Only files take long; links wait until all files are there.
      while (writing.length >= (isFile ? filesAtOnce : 1)) yield* present(await writing.shift())
      const written = writeEntry(entry, made, target).catch((error: unknown) => {
        failure ??= { error }
        target.stop()
        throw failure.error
      })
      written.catch(() => {}) // It is awaited in its turn.
      writing.push(written)
    }
    while (writing.length > 0) yield* present(await writing.shift())
  } finally {
    target.stop()
    await Promise.allSettled(writing)
  }
  const directories = entries.filter(({ kind, path }) => kind === 'directory' && made.has(path)).sort(order)
  for (const entry of directories.reverse()) {
    const at = placeOf(entry, target)
    const { path, mtimeMs } = entry
    try {
      finishDirectory(at, { type: 'directory', mode: modeOf(entry), mtimeMs })
    } catch (error) {
      yield { type: 'problem', path, action: 'write', message: messageOf(error) }
    }
  }
  if (!single) await makeDurable(new Set(entries.map((entry) => placeOf(entry, target))), to)
}

function* present(record: GetRecord | undefined): Generator<GetRecord> {
  if (record !== undefined) yield record
}

/** @returns the record of what was written, or of the problem */
async function writeEntry(entry: EntryFields, made: Set<string>, target: Target): Promise<GetRecord | undefined> {
  const { path, kind, size = 0 } = entry
  const at = placeOf(entry, target)
  try {
    await writeOne(entry, at, made, target)
    return kind === 'directory' ? undefined : { type: 'wrote', path, to: at, size }
  } catch (error) {
    if (target.single || !isOfOne(error)) throw writeFailure(at, error)
    return { type: 'problem', path, action: 'write', message: messageOf(error) }
  }
}

function attempt(to: string, act: () => void): void {
  try {
    act()
  } catch (error) {
    throw writeFailure(to, error)
  }
}

async function writeOne(entry: EntryFields, at: string, made: Set<string>, target: Target): Promise<void> {
  const { path, kind, mtimeMs } = entry
  const replace = target.force && target.single
  if (!made.has(parentPath(path as TreePath))) throw new SyncError('DAMAGED', 'The log has no directory for it')
  if (kind === 'directory') {
    exportDirectory(at)
    made.add(path)
  } else if (kind === 'symlink') exportLink(at, { type: 'symlink', target: entry.target ?? '', mtimeMs }, { replace })
  else await exportFile(at, fileOf(entry), target.content(path), { replace, isDurable: target.single })
}

function placeOf({ path }: EntryFields, { to, root, single }: Target): string {
  return single ? to : join(to, root === '' ? path : path.slice(root.length + 1))
}

/** Whether an error concerns one path alone. */
function isOfOne(error: unknown): boolean {
  if (error instanceof SyncError) return ['NOT_HELD', 'DAMAGED', 'FOLDER_NOT_EMPTY'].includes(error.code)
  return systemCode(error) !== undefined && !isDiskFull(error)
}

function fileOf(entry: EntryFields) {
  const { size = 0, hash = '', mtimeMs } = entry
  return { type: 'file', size, hash, mtimeMs, mode: modeOf(entry), extents: [] } as const
}

function modeOf({ mode = '644' }: EntryFields): number {
  return Number.parseInt(mode, 8) & 0o777
}
