import { readFileSync } from 'node:fs'
import { systemCode } from '../../errors.ts'

/**
 * Reads a small JSON file of a state directory.
 *
 * @param parse gives the record, `undefined` for fields that it doesn't understand
 * @param advice ends the message about a damaged file: tells the user what to do
 * @returns `undefined` if there is no file
 * @throws {RangeError} if the file is damaged or of a newer version; the system's error
 */
export function readRecord<T>(
  path: string,
  parse: (fields: Readonly<Record<string, unknown>>) => T | undefined,
  advice: string
): T | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
  const fields = fieldsOf(text)
  const record = fields && parse(fields)
  if (record !== undefined) return record
  throw new RangeError(`${path} is damaged, or of a newer p2psync. ${advice}`)
}

function fieldsOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value = JSON.parse(text) as unknown
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined
  } catch {
    return undefined
  }
}
