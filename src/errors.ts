/**
 * The reasons for which an operation as a whole can fail. The set is closed and stable: programs may switch on it.
 * An error at a single path is a `Problem` instead, and the operation continues.
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
  | 'NOT_HELD'
  | 'NO_SUCH_PATH'
  | 'NO_SUCH_VERSION'
  | 'HALTED'
  | 'DAMAGED'
  | 'ROLLED_BACK'
  | 'STORE_COPIED'
  | 'DISK_FULL'
  | 'DISK_FAILED'
  | 'IDENTITY_UNUSABLE'
  | 'PORT_IN_USE'
  | 'NOT_READY'
  | 'CLOSED'

/** The one error class of p2psync: a stable `code`, a message for people, and the `cause`. */
export class SyncError extends Error {
  override readonly name = 'SyncError'
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options)
    this.code = code
  }
}

/** The system's code of an error, such as `ENOENT`; `undefined` for anything else. */
export function systemCode(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
  return typeof code === 'string' ? code : undefined
}

/** The message of anything thrown, without the code and the path that Node adds to a system error. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (systemCode(error) === undefined || error instanceof SyncError) return error.message
  return error.message.replace(/^[A-Z0-9]+: /, '').replace(/, [a-z]+( '.*)?$/s, '')
}

/** A database of p2psync failed: DISK_FULL, or DAMAGED. */
export class DatabaseFailure extends SyncError {
  readonly database: 'store' | 'state'

  constructor(database: 'store' | 'state', code: 'DISK_FULL' | 'DAMAGED', message: string, cause: unknown) {
    super(code, message, { cause })
    this.database = database
  }
}

/** How many causes of an error to look at: a chain could be a circle. */
const causesMax = 5

/**
 * The failure of a database that an error of the storage engine means; `undefined` for any other error. The engine
 * has no codes of its own: the words of the message tell, sometimes those of the cause, or a code `EIO` without a
 * system call.
 */
export function databaseFailure(
  database: 'store' | 'state',
  directory: string,
  error: unknown
): DatabaseFailure | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < causesMax; at = at.cause, depth++) {
    if (at instanceof DatabaseFailure) return at
    if (isDiskFull(at)) {
      const message = `No space left on the disk of ${directory}`
      return new DatabaseFailure(database, 'DISK_FULL', message, error)
    }
    // Errors of Node name the system call; errors of the engine name a file of the database.
    const byEngine = (at as NodeJS.ErrnoException).syscall === undefined
    const namesFile = /no such file/i.test(at.message) && at.message.includes(`${directory}/`)
    if (
      (byEngine && (systemCode(at) === 'EIO' || namesFile)) ||
      /corruption|checksum mismatch|CRC mismatch/i.test(at.message)
    ) {
      const message = `The ${database} ${directory} is damaged: ${at.message}`
      return new DatabaseFailure(database, 'DAMAGED', message, error)
    }
  }
  return undefined
}

/** Whether the disk or a quota is full. */
export function isDiskFull(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return ['ENOSPC', 'EDQUOT'].includes(systemCode(error) ?? '') || /no space left|quota exceeded/i.test(error.message)
}
