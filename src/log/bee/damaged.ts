import { SyncError } from '../../errors.ts'
import type { Version } from '../../tree/tree.ts'
import { MissingBlock } from './bee-view.ts'

/** The error for a version that can't be read as a whole; other errors are returned as they are. */
export function damaged({ fork, length }: Version, error: unknown): unknown {
  if (!(error instanceof RangeError)) return error
  if (error instanceof MissingBlock) {
    const message = `Not all of version ${length} of the log is here yet. p2psync clone fetches it`
    return new SyncError('NOT_HELD', message, { cause: error })
  }
  const message = `Version ${length} of fork ${fork} of the log is damaged: ${error.message}. Nothing of it is applied`
  return new SyncError('DAMAGED', message, { cause: error })
}
