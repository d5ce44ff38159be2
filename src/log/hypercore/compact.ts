import type { StorageInternals } from 'hypercore-storage'

export interface CompactOptions {
  /** Free bytes of the disk: a step writes no more before it gives as much back. */
  readonly spareBytes?: number
  /** Ends the compaction between two steps; space given back until then stays free. */
  readonly signal?: AbortSignal | undefined
}

/** The engine's numbers for `blobGarbageCollectionPolicy`. */
const always = 1
const never = 2
/** Includes the lowest level, where nearly all data is and which the engine leaves alone otherwise. */
const bottommost = { bottommostLevelCompaction: 2 } as const

/** Less garbage than this isn't worth a rewrite. */
const garbageBytesMin = 64 * 1024
/** A step can't be ended early, so it rewrites no more than this. */
const stepBytesMax = 4 * 2 ** 30
/** More steps would rewrite the tables too often: each step does. */
const stepsMax = 16

/**
 * Gives back the disk space of deleted values. Values of 4 KB and more lie in blob files, which the engine never
 * changes: it copies the live values of some of them to new ones, and deletes the old. So this first rewrites the
 * tables alone, which tells how many bytes of the blob files are garbage; if there are some, it rewrites the blob
 * files, the oldest first, as many at once as there is room for.
 *
 * The store can be read and written meanwhile.
 */
export async function compact(
  db: Pick<StorageInternals['db'], 'flush' | 'compactRange' | 'getProperty'>,
  { spareBytes = Number.POSITIVE_INFINITY, signal }: CompactOptions = {}
): Promise<void> {
  signal?.throwIfAborted()
  // The engine compacts tables alone, not what is in memory.
  await db.flush()
  await db.compactRange(null, null, { ...bottommost, blobGarbageCollectionPolicy: never })
  const numberOf = async (name: string) => Number((await db.getProperty(`rocksdb.${name}`)) ?? 0)
  for (let left = await numberOf('num-blob-files'); left > 0; ) {
    signal?.throwIfAborted()
    if ((await numberOf('live-blob-file-garbage-size')) < garbageBytesMin) return
    const [files, bytes] = [await numberOf('num-blob-files'), await numberOf('live-blob-file-size')]
    const share = Math.max(1 / stepsMax, 1 / files, Math.min(1, stepBytesMax / bytes, spareBytes / bytes))
    const step = Math.ceil(share * files)
    const cutoff = Math.min(1, (step + 0.5) / files)
    const policy = { blobGarbageCollectionPolicy: always, blobGarbageCollectionAgeCutoff: cutoff }
    await db.compactRange(null, null, { ...bottommost, ...policy })
    left -= step
  }
}
