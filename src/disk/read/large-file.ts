import { closeSync, fstatSync } from 'node:fs'
import type { TreePath } from '../../tree/path.ts'
import type { Workers } from '../threads/workers.ts'
import { ChunkFinder, type LargeChunk } from './find-chunks.ts'
import { openBeneath, type ReadFile, readFileOf, settledStat } from './read.ts'

export interface LargeOptions {
  readonly workers: Workers
  readonly signal: AbortSignal
  /** The chunks of the previous content, in order: those that are still in the file needn't be cut again. */
  readonly before?: readonly LargeChunk[]
}

/**
 * Finds the chunks of a large file, in worker threads. Otherwise as `readChunks`.
 *
 * @throws {TornRead} when it changed meanwhile; the system's error when it can't be read; the signal's reason
 */
export async function* readLarge(
  root: string,
  path: TreePath,
  { workers, signal, before = [] }: LargeOptions
): AsyncGenerator<LargeChunk, ReadFile> {
  const fd = openBeneath(root, path)
  let finder: ChunkFinder | undefined
  try {
    const stats = await settledStat(fd)
    finder = new ChunkFinder(fd, stats.size, { workers, signal, before })
    yield* finder.chunks()
    const hash = await finder.sum()
    return readFileOf(stats, fstatSync(fd), { size: stats.size, hash })
  } finally {
    // Threads read from the descriptor, whose number may belong to another file after the close.
    await finder?.close()
    closeSync(fd)
  }
}
