import { DatabaseFailure, databaseFailure, SyncError } from '../errors.ts'

/**
 * What the folder is doing when something fails: `opening` it first, where whoever asked waits for the outcome; `working`
 * with a session open; or `reopening` after an earlier failure.
 */
export type RecoveryPhase = 'opening' | 'working' | 'reopening'

export interface RecoveryFacts {
  readonly phase: RecoveryPhase
  /** Whether the session is open without a loop, for a single operation. */
  readonly isIdle: boolean
  /** Whether the last `free-space` freed any; `undefined` when it wasn't tried for this failure. */
  readonly isSpaceFreed: boolean | undefined
  /** Whether the state was renewed once in this opening. */
  readonly isStateRenewed: boolean
}

/**
 * - `leave-to-loop`: trying again may do, and the loop does that by itself
 * - `keep-open`: go on as it is
 * - `free-space`: close the session, remove kept replaced files, and decide again
 * - `reopen`: open a new session
 * - `await-space`: close the session, wait until the disk has space, then reopen
 * - `renew-state`: close the session, discard the state, then reopen; the state comes back by looking at everything
 * - `give-up`: close the session for good, and throw or report the failure
 */
export type RecoveryAction =
  | 'leave-to-loop'
  | 'keep-open'
  | 'free-space'
  | 'reopen'
  | 'await-space'
  | 'renew-state'
  | 'give-up'

/**
 * Decides how a folder recovers. A full disk, and a database that can't be used, don't get better by trying again: the
 * storage engine stays closed to writes until it is opened anew.
 *
 * @param failure as `failureOf` has it
 */
export function decideRecovery(failure: SyncError | undefined, facts: RecoveryFacts): RecoveryAction {
  const { phase, isIdle, isSpaceFreed, isStateRenewed } = facts
  if (failure === undefined) return phase === 'working' ? 'leave-to-loop' : 'give-up'
  // Whoever opened the folder to verify and repair it needs it open, damaged as it is.
  if (phase === 'working' && isIdle && failure.code === 'DAMAGED') return 'keep-open'
  if (failure.code === 'DISK_FULL') {
    if (isSpaceFreed === undefined) return 'free-space'
    if (isSpaceFreed) return 'reopen'
    return phase === 'opening' ? 'give-up' : 'await-space'
  }
  if (!isOfState(failure)) return 'give-up'
  return phase === 'opening' && isStateRenewed ? 'give-up' : 'renew-state'
}

/**
 * The failure behind an error, if a loop can't get over it by trying again.
 *
 * @param store the store's directory, for the message
 */
export function failureOf(error: unknown, store: string): SyncError | undefined {
  if (error instanceof DatabaseFailure) return error
  if (error instanceof SyncError) return error.code === 'DISK_FULL' ? error : undefined
  return databaseFailure('store', store, error)
}

/** The same for an error that ended an opening, where nobody tries again. */
export function openingFailureOf(error: unknown, store: string): SyncError {
  const failure = failureOf(error, store)
  if (failure !== undefined) return failure
  return error instanceof SyncError ? error : new SyncError('DAMAGED', String(error), { cause: error })
}

/** The failure with advice for the folder's owner, where its store is damaged. */
export function withAdvice(failure: SyncError, advice: string): SyncError {
  const isOfStore = failure instanceof DatabaseFailure && failure.database === 'store'
  if (!isOfStore || failure.code !== 'DAMAGED') return failure
  return new SyncError('DAMAGED', `${failure.message}. ${advice}`, { cause: failure })
}

function isOfState(failure: SyncError): boolean {
  return failure instanceof DatabaseFailure && failure.database === 'state'
}
