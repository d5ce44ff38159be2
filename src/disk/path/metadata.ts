import { chmodSync, closeSync, constants, fchmodSync, futimesSync, lutimesSync, openSync, utimesSync } from 'node:fs'
import { systemCode } from '../../errors.ts'
import type { Entry } from '../../tree/entry.ts'

// Linux's O_PATH: a hold on a file that needs no permission on it. Node has no name for it.
const openPath = 0o10000000
const onLinux = process.platform === 'linux'

/**
 * Gives what stands at `at` the mode and the time of `entry`, never following a symlink.
 *
 * @throws the system's error
 */
export function setMetadata(at: string, entry: Entry): void {
  // As text: Node takes a negative number for now.
  const seconds = String(secondsOf(entry.mtimeMs))
  if (entry.type === 'symlink') {
    lutimesSync(at, seconds, seconds)
    return
  }
  const flags = onLinux ? openPath : constants.O_RDONLY | constants.O_NONBLOCK
  const fd = openSync(at, flags | constants.O_NOFOLLOW)
  try {
    if (onLinux) {
      withoutModes(() => chmodSync(`/proc/self/fd/${fd}`, entry.mode))
      utimesSync(`/proc/self/fd/${fd}`, seconds, seconds)
    } else {
      withoutModes(() => fchmodSync(fd, entry.mode))
      futimesSync(fd, seconds, seconds)
    }
  } finally {
    closeSync(fd)
  }
}

/** The same for a file in a directory of our own, where nobody puts a link in its place meanwhile. */
export function setOwnMetadata(
  at: string,
  { mode, mtimeMs }: { readonly mode: number; readonly mtimeMs: number }
): void {
  const seconds = String(secondsOf(mtimeMs))
  withoutModes(() => chmodSync(at, mode))
  utimesSync(at, seconds, seconds)
}

/**
 * Lets a file system refuse modes that it has no bits for, as FAT does. Where the file isn't ours instead,
 * its times are refused just after.
 */
function withoutModes(setMode: () => void): void {
  try {
    setMode()
  } catch (error) {
    // Not ENOTSUP: with that a symlink in the place of a file is refused.
    if (systemCode(error) !== 'EPERM' && systemCode(error) !== 'ENOSYS') throw error
  }
}

/**
 * A time as Node takes it. Seconds in a double can't hold every millisecond, and the system cuts the
 * rest off, so a time would come back as the millisecond before: it is moved up by less than 1 µs.
 */
export function secondsOf(mtimeMs: number): number {
  const seconds = mtimeMs / 1000
  return Number.isInteger(seconds) ? seconds : seconds + 5e-7
}
