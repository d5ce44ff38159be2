import type { StorageInternals } from 'hypercore-storage'

export interface CompactOptions {
  /** Bytes that may be written before as many are given back. */
  readonly spareBytes?: number
  /** Ends it between two steps; what was given back until then stays so. */
  readonly signal?: AbortSignal | undefined
}

/** The engine's numbers. */
const always = 1
const never = 2
/** It leaves the lowest level alone else, where nearly all is. */
const bottommost = { bottommostLevelCompaction: 2 } as const

/** Less than this isn't worth writing anything anew for. */
const garbageBytesMin = 64 * 1024
/** A step can't be ended early. */
const stepBytesMax = 4 * 2 ** 30
/** The tables are written anew with each step. */
const stepsMax = 16

/**
 * Gives back the disk space of what was deleted. Values of 4 KB and more lie in files of their own kind, blob files,
 * which the engine never changes: it writes what is left of some of them to new ones, and deletes those. So first the
 * tables alone are written anew, which tells how many bytes of the blob files nobody needs; where there are some, the
 * blob files follow, the oldest first, so many at once as there is room for.
 *
 * Others may read and write meanwhile.
 */
export async function compact(
  db: Pick<StorageInternals['db'], 'flush' | 'compactRange' | 'getProperty'>,
  { spareBytes = Number.POSITIVE_INFINITY, signal }: CompactOptions = {}
): Promise<void> {
  signal?.throwIfAborted()
  // What isn't in a table yet isn't looked at.
  await db.flush()
  await db.compactRange(null, null, { ...bottommost, blobGarbageCollectionPolicy: never })
  const tell = async (name: string) => Number((await db.getProperty(`rocksdb.${name}`)) ?? 0)
  for (let left = await tell('num-blob-files'); left > 0; ) {
    signal?.throwIfAborted()
    if ((await tell('live-blob-file-garbage-size')) < garbageBytesMin) return
    const [files, bytes] = [await tell('num-blob-files'), await tell('live-blob-file-size')]
    const share = Math.max(1 / stepsMax, 1 / files, Math.min(1, stepBytesMax / bytes, spareBytes / bytes))
    const step = Math.ceil(share * files)
    const cutoff = Math.min(1, (step + 0.5) / files)
    const policy = { blobGarbageCollectionPolicy: always, blobGarbageCollectionAgeCutoff: cutoff }
    await db.compactRange(null, null, { ...bottommost, ...policy })
    left -= step
  }
}
