import { chmodSync, closeSync, constants, fchmodSync, futimesSync, lutimesSync, openSync, utimesSync } from 'node:fs'
import { systemCode } from '../../errors.ts'
import type { Entry } from '../../tree/entry.ts'

// Linux's O_PATH, which Node doesn't name: a descriptor of a file that needs no permission on it.
const openPath = 0o10000000
const onLinux = process.platform === 'linux'

/**
 * Sets the mode and the time of the file, directory or symlink at `at` to those of `entry`. Never follows a symlink.
 *
 * @throws the system's error
 */
export function setMetadata(at: string, entry: Entry): void {
  // As text: Node takes a negative number as the present time.
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

/** Does the same for a file in a directory that only p2psync writes to, where no symlink can replace it meanwhile. */
export function setOwnMetadata(
  at: string,
  { mode, mtimeMs }: { readonly mode: number; readonly mtimeMs: number }
): void {
  const seconds = String(secondsOf(mtimeMs))
  withoutModes(() => chmodSync(at, mode))
  utimesSync(at, seconds, seconds)
}

/**
 * Ignores that a file system refuses modes that it has no bits for, as FAT does. If the refusal means that another user
 * owns the file, the next call, which sets the times, fails.
 */
function withoutModes(setMode: () => void): void {
  try {
    setMode()
  } catch (error) {
    // Not ENOTSUP: with that code the system refuses a symlink that has replaced the file.
    if (systemCode(error) !== 'EPERM' && systemCode(error) !== 'ENOSYS') throw error
  }
}

/**
 * Milliseconds as the seconds that Node's `utimes` takes. A double can't hold every millisecond in seconds, and the
 * system truncates, so some times would read back as the millisecond before: adding 0.5 µs prevents that.
 */
export function secondsOf(mtimeMs: number): number {
  const seconds = mtimeMs / 1000
  return Number.isInteger(seconds) ? seconds : seconds + 5e-7
}
