import { isUtf8 } from 'node:buffer'
import { createTwoFilesPatch } from 'diff'
import { readChunks } from '../disk/read/read.ts'
import { messageOf, SyncError } from '../errors.ts'
import { concerns } from '../log/bee/history.ts'
import { type ChangeReport, reportChanges } from '../tree/change.ts'
import type { Entry, FileEntry } from '../tree/entry.ts'
import { sortedAsLog, type TreePath } from '../tree/path.ts'
import { type Change, isEarlier, type Problem, type Version } from '../tree/tree.ts'
import { read } from './content.ts'
import { folderTree } from './folder-tree.ts'
import { type LogSource, pathOf, versionNamed } from './log-source.ts'
import { type ChangeRecord, changeRecord } from './records.ts'

export interface DiffParams {
  /** The version to compare: the latest when left out, or without a folder the one before the latest. */
  readonly from?: string
  /** The version to compare it with; when left out the folder as it is on disk, or without a folder the latest version. */
  readonly to?: string
  readonly path?: string
  /** Whether to yield patches of text files. */
  readonly patch?: boolean
}

/** The changes within a file, as a unified diff. */
export interface PatchRecord {
  readonly type: 'patch'
  readonly path: string
  /** Empty where `reason` says why there is no diff. */
  readonly text: string
  readonly reason?: 'binary' | 'large' | 'not held'
}

/** One side of a comparison: a version, or the folder on disk. */
type Side = Version | 'folder'

/** Larger files get no patch. */
const patchBytesMax = 1024 * 1024

/**
 * Yields the changes between two versions, or between a version and the folder on disk, in the order of their paths.
 *
 * @throws {SyncError} NO_SUCH_VERSION, USAGE, DAMAGED
 */
export async function* diff(
  source: LogSource,
  { from: fromName, to: toName, path: text, patch = false }: DiffParams,
  signal: AbortSignal
): AsyncGenerator<ChangeRecord | PatchRecord | ({ readonly type: 'problem' } & Problem)> {
  const path = pathOf(text)
  const hasFolder = source.root !== undefined && source.records !== undefined
  const to: Side = toName === undefined && hasFolder ? 'folder' : await versionNamed(source, toName, signal)
  const from = await versionNamed(source, fromName ?? (hasFolder ? undefined : '-1'), signal)
  const problems: Problem[] = []
  const changes = to === 'folder' ? folderChanges(source, from, problems, signal) : between(source, from, to, signal)
  const reports = reportChanges(inOrder((await changes).filter((change) => concerns(change.path, path))))
  for (const change of reports) {
    yield changeRecord(to === 'folder' ? 0 : to.length, change)
    if (patch) yield* patchOf(source, change, from, to, signal)
  }
  for (const problem of problems) yield { type: 'problem', ...problem }
}

/** Sorts changes by path, in the log's order. */
function inOrder(changes: readonly Change[]): readonly Change[] {
  const byPath = new Map(changes.map((change) => [change.path, change]))
  return sortedAsLog(byPath.keys()).flatMap((path) => byPath.get(path) ?? [])
}

async function folderChanges(
  source: LogSource,
  from: Version,
  problems: Problem[],
  signal: AbortSignal
): Promise<Change[]> {
  const { root = '', records = noRecords } = source
  const onProblem = (problem: Problem) => void problems.push(problem)
  const after = new Map(await folderTree(root, records, { onProblem, signal }))
  const changes: Change[] = []
  const known = new Set<TreePath>()
  for await (const [path, before] of source.view.list(from, '', { recursive: true, onProblem: () => {}, signal })) {
    known.add(path)
    changes.push({ path, before, after: after.get(path) })
  }
  for (const [path, entry] of after) if (!known.has(path)) changes.push({ path, before: undefined, after: entry })
  // A directory's time changes with every change of its children.
  return changes.filter(({ before, after }) => before?.type !== 'directory' || !isSameDirectory(before, after))
}

async function* noRecords(): AsyncGenerator<never> {}

function isSameDirectory(before: Entry, after: Entry | undefined): boolean {
  return before.type === 'directory' && after?.type === 'directory' && before.mode === after.mode
}

/** The changes from one version to another, which may be the earlier of the two. */
async function between(source: LogSource, from: Version, to: Version, signal: AbortSignal): Promise<readonly Change[]> {
  const isBack = isEarlier(to, from)
  const [early, late] = isBack ? [to, from] : [from, to]
  const latest = new Map<TreePath, Entry | undefined>()
  const options = { after: early.length, path: '' as const, newestFirst: false, signal }
  for await (const { changes } of source.view.versions(late, options)) {
    for (const [path, entry] of changes) latest.set(path, entry)
  }
  const changes = await source.view.before([...latest], early.length, signal)
  return isBack ? changes.map(({ path, before, after }) => ({ path, before: after, after: before })) : changes
}

async function* patchOf(
  source: LogSource,
  change: ChangeReport,
  from: Side,
  to: Side,
  signal: AbortSignal
): AsyncGenerator<PatchRecord> {
  const before = 'before' in change ? change.before : undefined
  const after = 'after' in change && change.type !== 'moved' ? change.after : undefined
  const files = [before, after].filter((entry): entry is FileEntry => entry?.type === 'file')
  if (files.length === 0 || (change.type === 'changed' && change.onlyMetadata)) return
  const { path } = change
  const without = (reason: NonNullable<PatchRecord['reason']>): PatchRecord => ({
    type: 'patch',
    path,
    text: '',
    reason
  })
  if (files.some(({ size }) => size > patchBytesMax)) {
    yield without('large')
    return
  }
  try {
    const textOf = async (entry: Entry | undefined, side: Side) =>
      entry?.type === 'file' ? textIn(await bytesOf(source, path, entry, side, signal)) : ''
    const [old, now] = [await textOf(before, from), await textOf(after, to)]
    if (old === undefined || now === undefined) yield without('binary')
    else {
      const names = [before ? `a/${path}` : '/dev/null', after ? `b/${path}` : '/dev/null'] as const
      yield { type: 'patch', path, text: createTwoFilesPatch(...names, old, now, labelOf(from), labelOf(to)) }
    }
  } catch (error) {
    if (!(error instanceof SyncError) || error.code !== 'NOT_HELD') throw error
    yield without('not held')
  }
}

async function bytesOf(
  source: LogSource,
  path: TreePath,
  entry: FileEntry,
  side: Side,
  signal: AbortSignal
): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  if (side === 'folder') {
    try {
      for await (const { bytes } of readChunks(source.root ?? '', path, { signal })) pieces.push(Buffer.from(bytes))
    } catch (error) {
      throw new SyncError('NOT_HELD', `${path} can't be read: ${messageOf(error)}`, { cause: error })
    }
  } else {
    const file = { path, version: side, entry }
    for await (const bytes of read(source, file, { start: 0, end: entry.size }, signal)) pieces.push(Buffer.from(bytes))
  }
  return Buffer.concat(pieces)
}

/** The text of bytes; `undefined` when they are binary. */
function textIn(bytes: Buffer): string | undefined {
  return bytes.includes(0) || !isUtf8(bytes) ? undefined : bytes.toString()
}

function labelOf(side: Side): string {
  return side === 'folder' ? 'on disk' : `version ${side.length}`
}
