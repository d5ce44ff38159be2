import { readFileSync } from 'node:fs'
import { systemCode } from '../../errors.ts'

/**
 * Reads a small JSON file of a state directory.
 *
 * @param parse gives what it says, `undefined` where it says nothing that is understood
 * @param advice what to do when it is damaged
 * @returns `undefined` where there is none
 * @throws {RangeError} when it can't be understood
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
