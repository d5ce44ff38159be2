import { isDeepStrictEqual } from 'node:util'
import { type KeepReplaced, readRetention, writeRetention } from '../disk/state/retention-file.ts'
import { messageOf } from '../errors.ts'

export type { KeepReplaced } from '../disk/state/retention-file.ts'

/** Where nobody knows how long something is to be kept it is kept. */
const forEver: KeepReplaced = { ms: 36_500 * 24 * 3_600_000, bytes: Number.MAX_SAFE_INTEGER }

/**
 * How long a mirror keeps what the log has replaced or removed: as it was told last. Whatever opens it, if only to
 * look, would else give up by the default what its owner wanted to keep.
 *
 * @param told what it is told now, if it is; stored with it
 */
export function retentionIn(
  home: string,
  told: KeepReplaced | undefined,
  onNotice: (message: string) => void
): KeepReplaced {
  if (told !== undefined) {
    remember(home, told, onNotice)
    return told
  }
  try {
    return readRetention(home) ?? {}
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    onNotice(error.message)
    return forEver
  }
}

/** On a full disk less is to be kept first of all. */
function remember(home: string, told: KeepReplaced, onNotice: (message: string) => void): void {
  try {
    if (!isDeepStrictEqual(known(home), told)) writeRetention(home, told)
  } catch (error) {
    onNotice(`Can't remember for the next run what is to be kept: ${messageOf(error)}`)
  }
}

function known(home: string): KeepReplaced | undefined {
  try {
    return readRetention(home)
  } catch {
    return undefined // It is made anew.
  }
}
