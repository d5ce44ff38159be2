import { linkSync, lstatSync, renameSync, unlinkSync } from 'node:fs'
import extensions from 'fs-native-extensions'
import { systemCode } from '../../errors.ts'

/** Codes of a file system that has no hard links, or allows none for this file. */
const lacksLinks: readonly string[] = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EINVAL']
/** Codes of a file system that can't exchange two names. */
const lacksExchange: readonly string[] = ['EINVAL', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP']

/**
 * Renames a file or a symlink to `to`, and never replaces anything there: unlike `rename`, `link` fails if the name is
 * taken. Without hard links it checks the name first, which leaves a short race.
 *
 * @throws the system's error; EEXIST if the name is taken
 */
export function renameNew(from: string, to: string): void {
  try {
    linkSync(from, to)
  } catch (error) {
    if (!lacksLinks.includes(systemCode(error) ?? '')) throw error
    if (lstatSync(to, { throwIfNoEntry: false }) !== undefined) {
      throw Object.assign(new Error(`EEXIST: file already exists, rename`), { code: 'EEXIST' })
    }
    renameSync(from, to)
    return
  }
  unlinkSync(from)
}

/**
 * Exchanges two names atomically, so that the replaced file can still be examined.
 *
 * @returns `false` if the file system can't do that; then nothing has changed
 * @throws the system's error
 */
export function exchange(a: string, b: string): boolean {
  try {
    extensions.swapSync(a, b)
    return true
  } catch (error) {
    if (lacksExchange.includes(systemCode(error) ?? '')) return false
    throw error
  }
}
