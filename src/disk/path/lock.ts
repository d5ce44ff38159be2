import { closeSync, constants, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { hostname } from 'node:os'
import extensions from 'fs-native-extensions'
import { isDiskFull, messageOf, SyncError } from '../../errors.ts'

/** A lock on a file, held until `release` or until the process ends, also by a kill. */
export interface Lock {
  /** Releases the lock. Further calls do nothing. */
  release(): void
}

/**
 * Takes the lock on `path` and records its holder in the file.
 *
 * @param subject names the locked resource in messages
 * @throws {SyncError} LOCKED, naming the holding process; FOLDER_UNREADABLE
 */
export function takeLock(path: string, subject: string): Lock {
  const fd = openLock(path, subject)
  let granted = false
  try {
    granted = extensions.tryLock(fd)
    if (granted) recordHolder(fd)
  } finally {
    if (!granted) closeSync(fd)
  }
  if (granted) {
    let held = true
    return {
      release() {
        if (!held) return
        held = false
        extensions.unlock(fd)
        closeSync(fd)
      }
    }
  }
  throw new SyncError('LOCKED', `${subject} is in use by ${holderOf(path)}. End that process first`)
}

function openLock(path: string, subject: string): number {
  try {
    // Readable by everyone: other users may learn who holds the lock.
    return openSync(path, constants.O_RDWR | constants.O_CREAT, 0o644)
  } catch (error) {
    throw new SyncError('FOLDER_UNREADABLE', `${subject} can't be written to: ${messageOf(error)}`, { cause: error })
  }
}

/** Records the holder of the lock. On a full disk the lock holds without a record. */
function recordHolder(fd: number): void {
  try {
    ftruncateSync(fd)
    writeSync(fd, `${JSON.stringify({ pid: process.pid, host: hostname(), since: new Date().toISOString() })}\n`, 0)
  } catch (error) {
    if (!isDiskFull(error)) throw error
  }
}

function holderOf(path: string): string {
  try {
    const { pid, host, since } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
    return `another p2psync: process ${pid} on ${host}, since ${since}`
  } catch {
    return 'another process'
  }
}
