import { closeSync, constants, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { hostname } from 'node:os'
import extensions from 'fs-native-extensions'
import { isDiskFull, messageOf, SyncError } from '../../errors.ts'

/** A lock held on a file until it is released, or its process ends, however it ends. */
export interface Lock {
  /** Lets go of it; once more does nothing. */
  release(): void
}

/**
 * Takes the lock on `path`, and writes down who holds it.
 *
 * @throws {SyncError} LOCKED, naming the process that has it; FOLDER_UNREADABLE
 */
export function takeLock(path: string, what: string): Lock {
  const fd = openLock(path, what)
  let granted = false
  try {
    granted = extensions.tryLock(fd)
    if (granted) noteHolder(fd)
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
  throw new SyncError('LOCKED', `${what} is in use by ${holderOf(path)}. End that one first`)
}

function openLock(path: string, what: string): number {
  try {
    // Not exclusive to the owner's eyes: the file says who holds the lock.
    return openSync(path, constants.O_RDWR | constants.O_CREAT, 0o644)
  } catch (error) {
    throw new SyncError('FOLDER_UNREADABLE', `${what} can't be written to: ${messageOf(error)}`, { cause: error })
  }
}

/** Writes down who holds the lock. On a full disk it holds without. */
function noteHolder(fd: number): void {
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
