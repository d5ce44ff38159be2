import { BoundedMap } from '../bounded-map.ts'
import type { TreePath } from '../tree/path.ts'

const retryMsMin = 200
const retryMsMax = 60_000
/** From this many failures in a row on, the user learns of it. */
const reportedFrom = 5
/** Temporary files that vanish before they are read are never read later: their counts would pile up. */
const pathsMax = 10_000

export interface Retry {
  /** How long to wait before the next attempt, in milliseconds. */
  readonly afterMs: number
  /** Whether to report the file as a problem. */
  readonly isReported: boolean
}

/**
 * The retry schedule of a file that changed while it was read: the wait doubles with each failure.
 *
 * @param failures attempts in a row that failed, from 1
 */
export function retryAfter(failures: number): Retry {
  const afterMs = Math.min(retryMsMin * 2 ** (failures - 1), retryMsMax)
  return { afterMs, isReported: failures >= reportedFrom }
}

/** Counts the failed attempts to read each file. */
export class TornFiles {
  readonly #failures = new BoundedMap<TreePath, number>(pathsMax)

  /** Counts a failed attempt. @returns when to try again */
  failed(path: TreePath): Retry {
    const failures = (this.#failures.get(path) ?? 0) + 1
    this.#failures.renew(path, failures)
    return retryAfter(failures)
  }

  /** Forgets the failures of a file that was read whole. */
  wasRead(path: TreePath): void {
    this.#failures.delete(path)
  }
}
