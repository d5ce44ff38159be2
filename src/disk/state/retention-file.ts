import { join } from 'node:path'
import { writeWhole } from './marker.ts'
import { readRecord } from './record-file.ts'

/** How long a mirror keeps the large files that the log has replaced or removed. What is left out has its default. */
export interface KeepReplaced {
  /** In milliseconds; 7 days when left out, 0 to keep nothing. */
  readonly ms?: number
  /** All together at most, in bytes; a tenth of the disk when left out. The oldest go first. */
  readonly bytes?: number
}

/** FORMAT: `{"format":1,"ms":2592000000,"bytes":50000000000}`, each left out where the default counts; others are skipped. */
const fileName = 'keep-replaced.json'
const format = 1

/**
 * What the mirror with this state directory was told last, or `undefined` where it never was.
 *
 * @throws {RangeError} when the file is damaged
 */
export function readRetention(home: string): KeepReplaced | undefined {
  return readRecord(join(home, fileName), parse, 'Until --keep-replaced is given again nothing that is kept goes')
}

/** Remembers it, so that whatever opens the mirror next keeps to it. */
export function writeRetention(home: string, { ms, bytes }: KeepReplaced): void {
  writeWhole(join(home, fileName), `${JSON.stringify({ format, ms, bytes })}\n`)
}

function parse({ format: found, ms, bytes }: Readonly<Record<string, unknown>>): KeepReplaced | undefined {
  if (found !== format || !isAmount(ms) || !isAmount(bytes)) return undefined
  return { ...(ms === undefined ? {} : { ms }), ...(bytes === undefined ? {} : { bytes }) }
}

function isAmount(value: unknown): value is number | undefined {
  return value === undefined || (typeof value === 'number' && value >= 0)
}
