import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemCode } from '../../errors.ts'

/** Where the machines that may connect to a folder are listed: one public key a line; `#` begins a comment. */
export const allowFileName = 'allow'

/**
 * The lines of a folder's list that say something, or `undefined` where there is none.
 *
 * @throws when it is there and can't be read
 */
export function readAllowFile(home: string): readonly string[] | undefined {
  let text: string
  try {
    text = readFileSync(join(home, allowFileName), 'utf8')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
  return text
    .split(/\r?\n/)
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '')
}
