import { freeBytes } from '../disk/path/space.ts'
import { diskUsage } from '../disk/path/usage.ts'
import type { State } from '../disk/state/state.ts'
import { SyncError } from '../errors.ts'
import { reached } from '../failpoints.ts'
import type { Folder } from '../folder/folder.ts'
import type { FolderQueue } from '../folder/folder-queue.ts'
import { headerLength } from '../log/bee/entries.ts'
import type { Relocations } from '../log/content/relocations.ts'
import { BlockSet } from '../log/gc/block-set.ts'
import type { Garbage, PastVersion } from '../log/gc/garbage.ts'
import type { Sparse } from '../log/gc/sparse-packs.ts'
import type { LogStore } from '../log/hypercore/store.ts'
import { UnfitSnapshot } from '../log/packed/snapshot.ts'
import { type BlockRef, firstCore } from '../tree/block-ref.ts'
import type { Extent } from '../tree/entry.ts'
import { sameVersion, type Version } from '../tree/tree.ts'

/** What `gc` may forget. */
export interface CollectOptions {
  /**
   * Keeps the versions younger than this, in milliseconds by the writer's clock, and the version that was the latest when
   * that time began.
   */
  readonly keepMs: number
  /** Keeps at least this many versions, whatever their age, not counting versions without changes. 1 when left out. */
  readonly keepVersions?: number | undefined
  /** Whether only to compute the result. */
  readonly dryRun?: boolean | undefined
  /** Ends the collection; blocks that were cleared before stay cleared. */
  readonly signal?: AbortSignal | undefined
}

/** The result of a collection. Bytes on disk are those of log and state. */
export interface Collected {
  /** The number of versions whose contents are kept, as far as they were in the log. */
  readonly versionsKept: number
  /** The oldest of them; `null` before the first version. */
  readonly oldest: { readonly version: number; readonly fork: number; readonly timeMs: number } | null
  /** Whether there are older versions, of which only the contents stay that kept versions share. */
  readonly isCut: boolean
  /** Blocks of the log that no kept version needs. */
  readonly blocks: number
  /** The bytes of these blocks. */
  readonly bytes: number
  /** Bytes on disk before. */
  readonly before: number
  /** Bytes on disk now. */
  readonly after: number
}

/** A folder whose log gives up the contents of old versions. */
export interface Collectable {
  readonly folder: Folder
  readonly store: LogStore
  readonly state: State
  readonly queue: FolderQueue
  /** The newest known version, finished or not; `undefined` before the first. */
  readonly version: () => Version | undefined
  readonly garbage: () => Promise<Garbage>
  /** Fetches the missing blocks of the entries core up to a version, as far as peers have them. */
  readonly complete: (version: Version, signal: AbortSignal) => Promise<void>
  /** Whether a file of the folder holds a block. */
  readonly isHeld: (block: BlockRef) => boolean
  /** Rewrites the live contents of packs; only the log's writer can. Call inside a turn. @returns their new places */
  readonly repack?: (sparse: Sparse, signal: AbortSignal) => Promise<Relocations>
}

/** Runs of blocks to clear in one turn of the queue. */
const runsPerTurn = 100
/** Attempts in a row to fetch the rest of a log that keeps growing. */
const completionsMax = 5

/** The versions to keep. */
interface Retained {
  readonly count: number
  readonly oldest: PastVersion | undefined
  readonly isCut: boolean
}

/**
 * Decides which versions to keep.
 *
 * @param versions all versions, the newest first
 * @param sinceMs keeps versions after this time. It is the writer's clock that says so, which may have been wrong: a young
 *   version keeps all that came after it, whatever their times
 */
export async function retained(
  versions: AsyncIterable<PastVersion>,
  sinceMs: number,
  keepVersions: number
): Promise<Retained> {
  let count = 0
  let changing = 0
  let kept: Retained = { count: 0, oldest: undefined, isCut: false }
  let reachesBack = true
  for await (const version of versions) {
    count++
    const { timeMs, puts, removals } = version.head
    const isYoung = timeMs > sinceMs
    // The version before a young one was the latest when the time began.
    if (reachesBack || isYoung || changing < keepVersions) kept = { count, oldest: version, isCut: false }
    reachesBack = isYoung
    if (puts + removals > 0) changing++
  }
  return { ...kept, isCut: count > kept.count }
}

/**
 * Clears the contents that no kept version needs, and gives their disk space back. The entries core stays complete, and the
 * files of the folder stay as they are. After an interruption at any moment, also by a kill, the next collection goes on.
 *
 * @throws {SyncError} DISK_FULL, DAMAGED, NO_PEER
 */
export async function collectGarbage(
  from: Collectable,
  { keepMs, keepVersions = 1, dryRun = false }: CollectOptions,
  signal: AbortSignal
): Promise<Collected> {
  const before = usage(from.folder)
  const sinceMs = Date.now() - keepMs
  const nothing = { versionsKept: 0, oldest: null, isCut: false, blocks: 0, bytes: 0, before }
  const marked = await mark(from, { sinceMs, keepVersions }, signal)
  if (marked === undefined) return { ...nothing, after: before }
  const { garbage, found } = marked
  const { blocks, bytes } = await garbage.measure(found, signal)
  // When all versions are kept, no pack has dead contents.
  const sparse = marked.kept.isCut && from.repack ? await garbage.sparse(marked, bytes, signal) : undefined
  const result = {
    ...describe(marked.kept),
    blocks: blocks + (sparse?.packs.length ?? 0),
    bytes: bytes + (sparse?.gain ?? 0),
    before
  }
  if (dryRun) return { ...result, after: before }
  await sweep(from, marked, signal)
  // After the sweep: on a full disk it makes room for the rewritten packs.
  if (sparse !== undefined && sparse.packs.length > 0 && (await repack(from, marked, bytes, signal))) {
    const again = await mark(from, { sinceMs, keepVersions }, signal)
    if (again !== undefined) await sweep(from, again, signal)
  }
  await from.state.compact()
  return { ...result, after: usage(from.folder) }
}

/** Clears the garbage that was found, and gives its disk space back. */
async function sweep(from: Collectable, marked: Marked, signal: AbortSignal): Promise<void> {
  await forgetChunks(from.state, marked.found)
  reached('chunks-forgotten')
  await clear(from, marked, signal)
  // Half of the free space: other programs may need some too.
  await from.store.compact({ spareBytes: freeBytes(from.folder.store) / 2, signal })
  reached('store-compacted')
}

interface Marked {
  readonly garbage: Garbage
  readonly kept: Retained
  /** The length of the oldest kept version: what it or any later one names is live. */
  readonly since: number
  readonly newest: Version
  readonly found: BlockSet
}

/** Finds garbage while the folder is at work; `clear` spares what versions name that are made meanwhile. */
async function mark(
  from: Collectable,
  { sinceMs, keepVersions }: { readonly sinceMs: number; readonly keepVersions: number },
  signal: AbortSignal
): Promise<Marked | undefined> {
  const newest = from.version()
  if (newest === undefined) return undefined
  await from.complete(newest, signal)
  const garbage = await from.garbage()
  if (!(await garbage.isWhole(newest))) throw notWhole()
  try {
    const kept = await retained(garbage.versions(newest), sinceMs, keepVersions)
    const since = kept.isCut && kept.oldest ? kept.oldest.version.length : headerLength
    return { garbage, kept, since, newest, found: await garbage.find({ since, newest }, from.isHeld, signal) }
  } catch (error) {
    if (error instanceof UnfitSnapshot) throw notWhole()
    if (!(error instanceof RangeError)) throw error
    const message = `The log can't be read: ${error.message}. Nothing of it is forgotten`
    throw new SyncError('DAMAGED', message, { cause: error })
  }
}

/**
 * Rewrites the live contents of mostly dead packs, in a turn, so that no version is made meanwhile. Dead contents stay dead:
 * the chunk index forgets them, so a file that brings one back stores it again.
 *
 * @returns whether there was a version to do so for
 */
function repack(
  from: Collectable,
  { garbage, since }: Marked,
  garbageBytes: number,
  signal: AbortSignal
): Promise<boolean> {
  return from.queue.run(async () => {
    const newest = from.version()
    if (newest === undefined || from.repack === undefined) return false
    const sparse = await garbage.sparse({ since, newest }, garbageBytes, signal)
    const moving = new BlockSet()
    for (const { block } of sparse.packs) moving.add(block)
    const chunks = await forgetChunks(from.state, moving)
    const relocations = await from.repack(sparse, signal)
    reached('packs-moved')
    await from.state.commitAll(
      chunks.flatMap(([hash, extent]) => {
        const now = relocations.moved(extent)
        return now === undefined ? [] : [(batch) => batch.chunk(hash, now)]
      })
    )
    return true
  })
}

/** Clears the garbage that was found, but spares what newer versions name again. */
async function clear(
  { queue, version, complete }: Collectable,
  { garbage, newest, found }: Marked,
  signal: AbortSignal
): Promise<void> {
  let seen = newest
  let now = newest
  const clearSome = async (): Promise<'done' | 'more' | 'unknown'> => {
    signal.throwIfAborted()
    now = version() ?? seen
    if (now.fork !== newest.fork) throw changedPast()
    if (!sameVersion(now, seen)) {
      if (!(await garbage.isWhole(now))) return 'unknown'
      try {
        await garbage.spare(found, { since: seen.length, newest: now }, signal)
      } catch (error) {
        if (error instanceof UnfitSnapshot) return 'unknown'
        throw error
      }
      seen = now
    }
    const isDone = await garbage.clear(found, runsPerTurn, signal)
    reached('blocks-cleared')
    return isDone ? 'done' : 'more'
  }
  for (let completions = 0; ; ) {
    const outcome = await queue.run(clearSome)
    if (outcome === 'done') return
    completions = outcome === 'unknown' ? completions + 1 : 0
    if (completions > completionsMax) throw notWhole()
    if (outcome === 'unknown') await complete(now, signal)
  }
}

/** Removes chunks in these blocks from the index, so that no new file refers to them. @returns the removed ones, with their places */
async function forgetChunks(state: State, found: BlockSet): Promise<readonly (readonly [string, Extent])[]> {
  const removed: (readonly [string, Extent])[] = []
  for await (const [hash, extent] of state.allChunks()) {
    if (extent.core !== firstCore) continue
    for (let at = extent.block; at < extent.block + extent.blocks; at++) {
      if (!found.has(at)) continue
      removed.push([hash, extent])
      break
    }
  }
  await state.commitAll(
    removed.map(
      ([hash]) =>
        (batch) =>
          batch.forgetChunk(hash)
    )
  )
  return removed
}

function describe({ count, oldest, isCut }: Retained): Pick<Collected, 'versionsKept' | 'oldest' | 'isCut'> {
  const { version, head } = oldest ?? {}
  return {
    versionsKept: count,
    oldest: version && head ? { version: version.length, fork: version.fork, timeMs: head.timeMs } : null,
    isCut
  }
}

function usage({ store, state }: Folder): number {
  return diskUsage(store) + diskUsage(state)
}

function notWhole(): SyncError {
  const message =
    'Not all of the log can be read here, and without it nobody knows what old versions need; nothing was forgotten. ' +
    'A mirror gets what it lacks while it runs, a source from its mirrors by p2psync verify --repair'
  return new SyncError('NO_PEER', message)
}

function changedPast(): SyncError {
  return new SyncError(
    'NOT_READY',
    'The log got another past meanwhile. Try again; nothing that is needed was forgotten'
  )
}
