import { type ErrorCode, SyncError } from '../../errors.ts'

/** The exit statuses of every command; they never change their meaning. */
export const exitStatus = {
  ok: 0,
  failure: 1,
  usage: 2,
  partial: 3,
  noFolder: 10,
  locked: 11,
  badKey: 12,
  noPeer: 13,
  halted: 14,
  damaged: 15,
  interrupted: 130
} as const

const byCode: Readonly<Record<ErrorCode, number>> = {
  USAGE: exitStatus.usage,
  FOLDER_MISSING: exitStatus.noFolder,
  FOLDER_UNREADABLE: exitStatus.failure,
  FOLDER_NOT_EMPTY: exitStatus.failure,
  FOLDER_ROLE: exitStatus.failure,
  FOLDER_OTHER_KEY: exitStatus.failure,
  FOLDER_FORMAT: exitStatus.failure,
  LOCKED: exitStatus.locked,
  BAD_KEY: exitStatus.badKey,
  NO_PEER: exitStatus.noPeer,
  NOT_HELD: exitStatus.noPeer,
  NO_SUCH_PATH: exitStatus.failure,
  NO_SUCH_VERSION: exitStatus.failure,
  HALTED: exitStatus.halted,
  DAMAGED: exitStatus.damaged,
  ROLLED_BACK: exitStatus.damaged,
  STORE_COPIED: exitStatus.damaged,
  DISK_FULL: exitStatus.failure,
  DISK_FAILED: exitStatus.failure,
  IDENTITY_UNUSABLE: exitStatus.failure,
  PORT_IN_USE: exitStatus.failure,
  NOT_READY: exitStatus.failure,
  CLOSED: exitStatus.failure
}

/** The exit status of a command that failed with `error`. */
export function exitStatusOf(error: unknown): number {
  return error instanceof SyncError ? byCode[error.code] : exitStatus.failure
}

/** The meaning of each exit status, for people, in the order of the help. */
export const statusTexts: ReadonlyArray<[status: number, meaning: string]> = [
  [exitStatus.ok, 'ok'],
  [exitStatus.failure, 'failure'],
  [exitStatus.usage, 'usage'],
  [exitStatus.partial, 'some paths had problems'],
  [exitStatus.noFolder, 'no such folder or state'],
  [exitStatus.locked, 'in use by another process'],
  [exitStatus.badKey, 'bad key'],
  [exitStatus.noPeer, 'no peer found in time'],
  [exitStatus.halted, 'safety halt'],
  [exitStatus.damaged, 'damaged'],
  [exitStatus.interrupted, 'interrupted']
]
