import { SyncError } from '../errors.ts'
import type { Version } from '../tree/tree.ts'

/** What is wrong with the whole of a version, rather than with an entry; other errors stay as they are. */
export function damaged({ fork, length }: Version, error: unknown): unknown {
  if (!(error instanceof RangeError)) return error
  const message = `Version ${length} of fork ${fork} of the log is damaged: ${error.message}. Nothing of it is applied`
  return new SyncError('DAMAGED', message, { cause: error })
}
