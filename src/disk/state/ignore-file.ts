import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ignoreFileName } from '../../tree/ignore.ts'
import { isAbsence } from '../path/beneath.ts'

/**
 * The text of a folder's ignore file; empty if there is none.
 *
 * @throws the system's error if the file can't be read; an `Error` if it isn't a regular file
 */
export function readIgnoreFile(root: string): string {
  let fd: number
  try {
    // Non-blocking: opening a FIFO of that name would block the whole process.
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
