import { createHash } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeSync
} from 'node:fs'
import { dirname } from 'node:path'
import { SyncError, systemCode } from '../errors.ts'
import type { DirectoryEntry, FileEntry, SymlinkEntry } from '../tree/entry.ts'
import { setMetadata } from './metadata.ts'

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
  if (!replace && existsSync(to)) throw taken(to)
  const temporary = `${to}.p2psync-${process.pid}.part`
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
    if (systemCode(error) === 'EEXIST') throw taken(to)
    // Not every file system has hard links; nothing was there a moment ago.
    renameSync(from, to)
  }
}

export function exportLink(to: string, entry: SymlinkEntry): void {
  symlinkSync(entry.target, to)
  setMetadata(to, entry)
}

/** Makes a directory that isn't there; its mode and time come when all is in it. */
export function exportDirectory(to: string): void {
  mkdirSync(to, { mode: 0o700 })
}

export function finishDirectory(at: string, entry: DirectoryEntry): void {
  setMetadata(at, entry)
}

/** Checks that there is a directory for what is to be written. @throws {SyncError} FOLDER_MISSING, FOLDER_NOT_EMPTY */
export function checkTarget(to: string, { replace }: ExportOptions): void {
  const parent = dirname(to)
  if (!existsSync(parent)) throw new SyncError('FOLDER_MISSING', `There is no directory ${parent} to write to`)
  if (!replace && existsSync(to)) throw taken(to)
}

function taken(to: string): SyncError {
  return new SyncError('FOLDER_NOT_EMPTY', `${to} is there already. Give another --to, or --force to replace it`)
}
