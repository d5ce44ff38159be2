import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemCode } from '../../errors.ts'

/** Lists the machines that may connect to a folder: one public key per line; `#` begins a comment. */
export const allowFileName = 'allow'

/**
 * The lines of a folder's list without comments and empty lines; `undefined` if there is no list.
 *
 * @throws the system's error if the list can't be read
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
