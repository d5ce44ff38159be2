import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freeBytes } from '../disk/path/space.ts'
import type { Folder } from './folder.ts'

/** With this much free another attempt is worth it: the databases need room to be opened. */
const enoughBytes = 16 * 1024 * 1024
/** This much more than before means that somebody has made room. */
const moreBytes = 4 * 1024 * 1024
const tickMs = 1000
/** The pause between two attempts; it doubles while they fail and nobody makes room. */
const pauseMsMin = 2000
const pauseMsMax = 60_000

/** Waits for space on a folder's disks. */
export class SpaceWait {
  #pauseMs = pauseMsMin

  /** The error message. */
  describe(folder: Folder): string {
    const { path, free } = tightest(folder)
    return (
      `No space left on the disk of ${path} (${Math.floor(free / 1e6)} MB free). What is there is whole. ` +
      'It goes on by itself when there is more space'
    )
  }

  /** Resolves when another attempt is worth it, or `signal` is aborted. */
  async until(folder: Folder, signal: AbortSignal): Promise<void> {
    const before = tightest(folder).free
    const startMs = performance.now()
    const isWorthAnAttempt = () => {
      const { free } = tightest(folder)
      if (free >= before + moreBytes) return true
      return free >= enoughBytes && performance.now() - startMs >= this.#pauseMs
    }
    do await sleep(tickMs, undefined, { signal }).catch(() => {})
    while (!signal.aborted && !isWorthAnAttempt())
    this.#pauseMs = Math.min(this.#pauseMs * 2, pauseMsMax)
  }

  /** Writing works again: the next wait begins with the shortest pause. */
  reset(): void {
    this.#pauseMs = pauseMsMin
  }
}

/** The disk with the least space: that of the files, or that of log and state. */
function tightest(folder: Folder): { readonly path: string; readonly free: number } {
  const disks = [folder.root, dirname(folder.store)].map((path) => ({ path, free: freeBytes(path) }))
  return disks.reduce((a, b) => (b.free < a.free ? b : a))
}
