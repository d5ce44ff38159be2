import { createHash, randomBytes } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeSync
} from 'node:fs'
import { dirname, join } from 'node:path'
import { isDiskFull, messageOf, SyncError, systemCode } from '../../errors.ts'
import type { DirectoryEntry, FileEntry, SymlinkEntry } from '../../tree/entry.ts'
import { setMetadata } from '../path/metadata.ts'

export interface ExportOptions {
  /** Whether to replace an existing file or symlink. */
  readonly replace: boolean
  /** Whether to fsync each file; for many files the caller syncs once instead. The default is true. */
  readonly isDurable?: boolean
  readonly onBytes?: (bytes: number) => void
}

/**
 * Writes a file of a log to any path, atomically, and only with the content that the log's signature vouches for.
 *
 * @throws {SyncError} FOLDER_NOT_EMPTY if the name is taken, DAMAGED if the content differs; the system's error
 */
export async function exportFile(
  to: string,
  entry: FileEntry,
  pieces: AsyncIterable<Uint8Array>,
  { replace, isDurable = true, onBytes = () => {} }: ExportOptions
): Promise<void> {
  if (!replace && isThere(to)) throw taken(to)
  const temporary = temporaryFor(to)
  const hash = createHash('sha256')
  const fd = openSync(temporary, 'wx', 0o600)
  try {
    try {
      for await (const piece of pieces) {
        hash.update(piece)
        for (let at = 0; at < piece.length; ) at += writeSync(fd, piece, at)
        onBytes(piece.length)
      }
      if (hash.digest('hex') !== entry.hash) {
        throw new SyncError('DAMAGED', `The content received for ${to} differs from the log. Nothing was written`)
      }
      if (isDurable) fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    setMetadata(temporary, entry)
    moveTo(temporary, to, replace)
  } finally {
    rmSync(temporary, { force: true })
  }
}

/** Renames a file; if the name is taken by now, only `replace` permits that. */
function moveTo(from: string, to: string, replace: boolean): void {
  if (replace) {
    renameSync(from, to)
    return
  }
  try {
    linkSync(from, to)
  } catch (error) {
    // Without hard links a check just before the rename must do.
    if (systemCode(error) === 'EEXIST' || isThere(to)) throw taken(to)
    renameSync(from, to)
  }
}

/** Makes a symlink. @throws {SyncError} FOLDER_NOT_EMPTY if the name is taken; the system's error */
export function exportLink(to: string, entry: SymlinkEntry, { replace }: ExportOptions): void {
  if (!replace) {
    if (isThere(to)) throw taken(to)
    symlinkSync(entry.target, to)
    setMetadata(to, entry)
    return
  }
  const temporary = temporaryFor(to)
  symlinkSync(entry.target, temporary)
  try {
    setMetadata(temporary, entry)
    renameSync(temporary, to)
  } finally {
    rmSync(temporary, { force: true })
  }
}

/** A path beside `to`, independent of its name, which may have the maximal length. */
function temporaryFor(to: string): string {
  return join(dirname(to), `.p2psync-${process.pid}-${randomBytes(6).toString('hex')}.part`)
}

/** Makes a directory. `finishDirectory` sets mode and time once it is filled, unless the log has no entry for it. */
export function exportDirectory(to: string, mode = 0o700): void {
  mkdirSync(to, { mode })
}

export function finishDirectory(at: string, entry: DirectoryEntry): void {
  setMetadata(at, entry)
}

/** Checks that the parent of `to` exists and that `to` may be written. @throws {SyncError} FOLDER_MISSING, FOLDER_NOT_EMPTY */
export function checkTarget(to: string, { replace }: ExportOptions): void {
  const parent = dirname(to)
  if (!statSync(parent, { throwIfNoEntry: false })?.isDirectory())
    throw new SyncError('FOLDER_MISSING', `There is no directory ${parent} to write to`)
  const found = lstatSync(to, { throwIfNoEntry: false })
  if (found !== undefined && (!replace || found.isDirectory())) throw taken(to)
}

/** Turns a system error of writing `to` into a `SyncError` with a readable message; leaves other errors. */
export function writeFailure(to: string, error: unknown): unknown {
  if (systemCode(error) === undefined || error instanceof SyncError) return error
  if (isDiskFull(error)) return new SyncError('DISK_FULL', `No space left on the disk of ${to}`, { cause: error })
  return new SyncError('FOLDER_UNREADABLE', `Can't write ${to}: ${messageOf(error)}`, { cause: error })
}

/** Whether anything has this name, also a dangling symlink. */
function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}

function taken(to: string): SyncError {
  return new SyncError('FOLDER_NOT_EMPTY', `${to} is there already. Give another --to, or --force to replace a file`)
}
