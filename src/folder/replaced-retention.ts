import { isDeepStrictEqual } from 'node:util'
import { type KeepReplaced, readRetention, writeRetention } from '../disk/state/retention-file.ts'
import { messageOf } from '../errors.ts'

export type { KeepReplaced } from '../disk/state/retention-file.ts'

/** For a stored retention that can't be read: nothing is deleted by mistake. */
const forEver: KeepReplaced = { ms: 36_500 * 24 * 3_600_000, bytes: Number.MAX_SAFE_INTEGER }

/**
 * How long a mirror keeps the files that the log has replaced or removed. It is stored, as opening the mirror without the
 * option would otherwise apply the default, and delete files that its owner wanted to keep.
 *
 * @param given the new retention, which is stored; the stored one counts when left out
 */
export function retentionIn(
  home: string,
  given: KeepReplaced | undefined,
  onNotice: (message: string) => void
): KeepReplaced {
  if (given !== undefined) {
    store(home, given, onNotice)
    return given
  }
  try {
    return readRetention(home) ?? {}
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    onNotice(error.message)
    return forEver
  }
}

/** Storing it may fail, as on a full disk, where the owner may want to keep less: it counts for this run all the same. */
function store(home: string, given: KeepReplaced, onNotice: (message: string) => void): void {
  try {
    if (!isDeepStrictEqual(stored(home), given)) writeRetention(home, given)
  } catch (error) {
    onNotice(`Can't remember for the next run what is to be kept: ${messageOf(error)}`)
  }
}

function stored(home: string): KeepReplaced | undefined {
  try {
    return readRetention(home)
  } catch {
    return undefined // A damaged file is written anew.
  }
}
