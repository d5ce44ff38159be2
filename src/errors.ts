/**
 * Every reason for which an operation as a whole can fail. The set is closed and stable: programs
 * may switch on it. What goes wrong with a single path is a `Problem` instead, and the run goes on.
 */
export type ErrorCode =
  | 'USAGE'
  | 'FOLDER_MISSING'
  | 'FOLDER_UNREADABLE'
  | 'FOLDER_NOT_EMPTY'
  | 'FOLDER_ROLE'
  | 'FOLDER_OTHER_KEY'
  | 'FOLDER_FORMAT'
  | 'LOCKED'
  | 'BAD_KEY'
  | 'NO_PEER'
  | 'HALTED'
  | 'DAMAGED'
  | 'ROLLED_BACK'
  | 'DISK_FULL'
  | 'DISK_FAILED'
  | 'NOT_READY'
  | 'CLOSED'

/** The one error class of p2psync: a stable `code`, a message made for people, and the `cause`. */
export class SyncError extends Error {
  override readonly name = 'SyncError'
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options)
    this.code = code
  }
}

/** The system's error code (`ENOENT`, …) of anything thrown, or `undefined`. */
export function systemCode(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
  return typeof code === 'string' ? code : undefined
}

/** A message for people out of anything thrown, without Node's prefix and the path that it repeats. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (systemCode(error) === undefined || error instanceof SyncError) return error.message
  return error.message.replace(/^[A-Z0-9]+: /, '').replace(/, [a-z]+( '.*)?$/s, '')
}
