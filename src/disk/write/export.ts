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
  /** Whether what has the name already may be replaced. */
  readonly replace: boolean
  /** Whether it is to survive a power cut by itself; of many that is made sure together. True when left out. */
  readonly isDurable?: boolean
  readonly onBytes?: (bytes: number) => void
}

/**
 * Writes a file of a log anywhere. It is there whole, with the content that the log's signature vouches for, or not at all.
 *
 * @throws {SyncError} FOLDER_NOT_EMPTY when something has the name, DAMAGED when the content is another; the system's error
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
        throw new SyncError('DAMAGED', `What came for ${to} isn't what the log says. Nothing was written`)
      }
      if (isDurable) fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    setMetadata(temporary, entry)
    give(temporary, to, replace)
  } finally {
    rmSync(temporary, { force: true })
  }
}

/** Gives a file its name; where something has that by now, only if it may be replaced. */
function give(from: string, to: string, replace: boolean): void {
  if (replace) {
    renameSync(from, to)
    return
  }
  try {
    linkSync(from, to)
  } catch (error) {
    // Not every file system has hard links; there nothing has the name a moment before.
    if (systemCode(error) === 'EEXIST' || isThere(to)) throw taken(to)
    renameSync(from, to)
  }
}

/** Makes a link. @throws {SyncError} FOLDER_NOT_EMPTY when something has the name; the system's error */
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

/** Beside what is to be written; its own name may be as long as names can be. */
function temporaryFor(to: string): string {
  return join(dirname(to), `.p2psync-${process.pid}-${randomBytes(6).toString('hex')}.part`)
}

/** Makes a directory that isn't there; its mode and time come when all is in it, but for one that the log knows none of. */
export function exportDirectory(to: string, mode = 0o700): void {
  mkdirSync(to, { mode })
}

export function finishDirectory(at: string, entry: DirectoryEntry): void {
  setMetadata(at, entry)
}

/** Checks that there is a directory for what is to be written. @throws {SyncError} FOLDER_MISSING, FOLDER_NOT_EMPTY */
export function checkTarget(to: string, { replace }: ExportOptions): void {
  const parent = dirname(to)
  if (!statSync(parent, { throwIfNoEntry: false })?.isDirectory())
    throw new SyncError('FOLDER_MISSING', `There is no directory ${parent} to write to`)
  const found = lstatSync(to, { throwIfNoEntry: false })
  if (found !== undefined && (!replace || found.isDirectory())) throw taken(to)
}

/** That something can't be written, for people. */
export function writeFailure(to: string, error: unknown): unknown {
  if (systemCode(error) === undefined || error instanceof SyncError) return error
  if (isDiskFull(error)) return new SyncError('DISK_FULL', `No space left on the disk of ${to}`, { cause: error })
  return new SyncError('FOLDER_UNREADABLE', `Can't write ${to}: ${messageOf(error)}`, { cause: error })
}

/** Also a link that leads nowhere. */
function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}

function taken(to: string): SyncError {
  return new SyncError('FOLDER_NOT_EMPTY', `${to} is there already. Give another --to, or --force to replace a file`)
}
