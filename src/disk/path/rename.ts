import { linkSync, lstatSync, renameSync, unlinkSync } from 'node:fs'
import extensions from 'fs-native-extensions'
import { systemCode } from '../../errors.ts'

/** What says that a file system has no hard links, or none for this file. */
const lacksLinks: readonly string[] = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EINVAL']
/** What says that a file system can't exchange two names. */
const lacksExchange: readonly string[] = ['EINVAL', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP']

/**
 * Gives a file or a symlink the name `to`, which nothing may have: a rename would replace what came
 * there a moment ago, a link can't. Where there are no hard links the name is looked at first, which
 * leaves a moment for a race.
 *
 * @throws the system's error; EEXIST when something has the name
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
 * Exchanges what two names stand for, at one instant: what was replaced is still there, to be looked at.
 *
 * @returns `false` where the file system can't, and nothing was done
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
