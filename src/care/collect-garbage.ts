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

export interface CollectOptions {
  /**
   * Versions younger than this are kept, in milliseconds, by the time that the writer recorded; and the one that was in
   * force then.
   */
  readonly keepMs: number
  /** At least so many versions are kept, however old they are; those that changed nothing don't count. 1 when left out. */
  readonly keepVersions?: number | undefined
  /** Only tells what it would do. */
  readonly dryRun?: boolean | undefined
  /** Ends it; what was cleared until then stays so. */
  readonly signal?: AbortSignal | undefined
}

/** What the contents of old versions came to. Bytes that are said to be on disk are those of log and state. */
export interface Collected {
  /** How many versions can be read as before, as far as their contents are in the log. */
  readonly versionsKept: number
  /** The oldest of them; `null` before the first. */
  readonly oldest: { readonly version: number; readonly fork: number; readonly timeMs: number } | null
  /** Whether there are older ones, of which only that is kept which later ones share. */
  readonly isCut: boolean
  /** Blocks of the log that no kept version needs, and their bytes. */
  readonly blocks: number
  readonly bytes: number
  /** Bytes on disk before. */
  readonly before: number
  /** Bytes on disk now. */
  readonly after: number
}

/** A folder whose log is to give up what is old. */
export interface Collectable {
  readonly folder: Folder
  readonly store: LogStore
  readonly state: State
  readonly queue: FolderQueue
  /** The newest version known, whole or not; `undefined` before the first. */
  readonly version: () => Version | undefined
  readonly garbage: () => Promise<Garbage>
  /** Has the rest of the log come up to a version, but for contents, where it can be had. */
  readonly complete: (version: Version, signal: AbortSignal) => Promise<void>
  /** Whether a file of the folder holds a block. */
  readonly isHeld: (block: BlockRef) => boolean
  /** Stores anew what is needed of packs, and tells where; only who writes the log can. To be called in a turn. */
  readonly repack?: (sparse: Sparse, signal: AbortSignal) => Promise<Relocations>
}

/** Others come in between when so many runs of blocks were cleared. */
const runsPerTurn = 100
/** So many times in a row the rest of the log is fetched: more may come all the time. */
const completionsMax = 5

/** What is known of the versions that are kept. */
interface Retained {
  readonly count: number
  readonly oldest: PastVersion | undefined
  readonly isCut: boolean
}

/**
 * Which versions to keep, given all from the newest one on.
 *
 * @param sinceMs all that are younger are kept. Times are the writer's, whose clock may have been wrong: one that is
 *   younger keeps all that came after it, whatever their times
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
    // The one before a young one was in force when the time began.
    if (reachesBack || isYoung || changing < keepVersions) kept = { count, oldest: version, isCut: false }
    reachesBack = isYoung
    if (puts + removals > 0) changing++
  }
  return { ...kept, isCut: count > kept.count }
}

/**
 * Clears the contents that no kept version needs, and gives their disk space back. The event log stays whole, and so does
 * what lies in the folder. It may be cut off at any moment, by a kill too: the next one goes on.
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
  // Where all is kept, all that packs have is needed, too.
  const sparse = marked.kept.isCut && from.repack ? await garbage.sparse(marked, bytes, signal) : undefined
  const result = {
    ...describe(marked.kept),
    blocks: blocks + (sparse?.packs.length ?? 0),
    bytes: bytes + (sparse?.gain ?? 0),
    before
  }
  if (dryRun) return { ...result, after: before }
  await sweep(from, marked, signal)
  // Only then, as on a full disk that is what makes room for it.
  if (sparse !== undefined && sparse.packs.length > 0 && (await repack(from, marked, bytes, signal))) {
    const again = await mark(from, { sinceMs, keepVersions }, signal)
    if (again !== undefined) await sweep(from, again, signal)
  }
  await from.state.compact()
  return { ...result, after: usage(from.folder) }
}

/** Clears what was found, and gives its space back. */
async function sweep(from: Collectable, marked: Marked, signal: AbortSignal): Promise<void> {
  await forgetChunks(from.state, marked.found)
  reached('chunks-forgotten')
  await clear(from, marked, signal)
  // Half of what is left, as others may need some too.
  await from.store.compact({ spareBytes: freeBytes(from.folder.store) / 2, signal })
  reached('store-compacted')
}

interface Marked {
  readonly garbage: Garbage
  readonly kept: Retained
  /** What the oldest kept version names is needed, and all that was named since. */
  readonly since: number
  readonly newest: Version
  readonly found: BlockSet
}

/** Finds what isn't needed, while others go on; what they add meanwhile is spared later. */
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
 * Has what is needed of packs stored anew that hold much of what isn't. As no version comes meanwhile, what nobody needs
 * then is never needed again: a content of that which comes back is stored anew.
 *
 * @returns whether it was done
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

/** Clears what was found. A version that came meanwhile may name again what had been old. */
async function clear(
  { queue: turns, version, complete }: Collectable,
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
    const what = await turns.run(clearSome)
    if (what === 'done') return
    completions = what === 'unknown' ? completions + 1 : 0
    if (completions > completionsMax) throw notWhole()
    if (what === 'unknown') await complete(now, signal)
  }
}

/** Chunks are found again by their hash: not where they are no more. @returns those, with where they were */
async function forgetChunks(state: State, found: BlockSet): Promise<readonly (readonly [string, Extent])[]> {
  const forgotten: (readonly [string, Extent])[] = []
  for await (const [hash, extent] of state.allChunks()) {
    if (extent.core !== firstCore) continue
    for (let at = extent.block; at < extent.block + extent.blocks; at++) {
      if (!found.has(at)) continue
      forgotten.push([hash, extent])
      break
    }
  }
  await state.commitAll(
    forgotten.map(
      ([hash]) =>
        (batch) =>
          batch.forgetChunk(hash)
    )
  )
  return forgotten
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
