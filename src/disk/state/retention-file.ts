import { join } from 'node:path'
import { writeWhole } from './marker.ts'
import { readRecord } from './record-file.ts'

/** How long a mirror keeps the large files that the log has replaced or removed. */
export interface KeepReplaced {
  /** In milliseconds; the default is 7 days, 0 keeps nothing. */
  readonly ms?: number
  /** The most that all of them may take, in bytes; the default is a tenth of the disk. The oldest are removed first. */
  readonly bytes?: number
}

/** FORMAT: `{"format":1,"ms":2592000000,"bytes":50000000000}`. An absent field has its default; readers skip others. */
const fileName = 'keep-replaced.json'
const format = 1

/**
 * The retention last set for the mirror with this state directory; `undefined` if it was never set.
 *
 * @throws {RangeError} if the file is damaged
 */
export function readRetention(home: string): KeepReplaced | undefined {
  return readRecord(join(home, fileName), parse, 'Until --keep-replaced is given again nothing that is kept goes')
}

/** Stores the retention for the next processes that open the mirror. */
export function writeRetention(home: string, { ms, bytes }: KeepReplaced): void {
  writeWhole(join(home, fileName), `${JSON.stringify({ format, ms, bytes })}\n`)
}

function parse({ format: version, ms, bytes }: Readonly<Record<string, unknown>>): KeepReplaced | undefined {
  if (version !== format || !isAmount(ms) || !isAmount(bytes)) return undefined
  return { ...(ms === undefined ? {} : { ms }), ...(bytes === undefined ? {} : { bytes }) }
}

function isAmount(value: unknown): value is number | undefined {
  return value === undefined || (typeof value === 'number' && value >= 0)
}
