import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ignoreFileName } from '../tree/ignore.ts'
import { isAbsence } from './beneath.ts'

/** The text of a folder's ignore file, empty where there is none. Throws the system's error when it can't be read. */
export function readIgnoreFile(root: string): string {
  try {
    return readFileSync(join(root, ignoreFileName), 'utf8')
  } catch (error) {
    if (isAbsence(error)) return ''
    throw error
  }
}
