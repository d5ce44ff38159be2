import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ignoreFileName } from '../../tree/ignore.ts'
import { isAbsence } from '../path/beneath.ts'

/**
 * The text of a folder's ignore file, empty where there is none.
 *
 * @throws the system's error when it can't be read; an `Error` when it is no file
 */
export function readIgnoreFile(root: string): string {
  let fd: number
  try {
    // Not blocking: a FIFO of that name would be waited for, and everything else with it.
    fd = openSync(join(root, ignoreFileName), constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    if (isAbsence(error)) return ''
    throw error
  }
  try {
    if (!fstatSync(fd).isFile()) throw new Error('it is no regular file')
    return readFileSync(fd, 'utf8')
  } finally {
    closeSync(fd)
  }
}
