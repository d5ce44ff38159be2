import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readRecord } from './record-file.ts'

/** Bytes per second to and from all peers together; an absent rate is unlimited. */
export interface LimitsRecord {
  readonly up?: number
  readonly down?: number
}

/** FORMAT: `{"format":1,"up":500000,"down":2000000}`. An absent rate is unlimited; readers skip other fields. */
const fileName = 'limits.json'
const format = 1

/**
 * The limits last set for a folder; `undefined` if none were ever set.
 *
 * @throws {RangeError} if the file is damaged
 */
export function readLimits(home: string): LimitsRecord | undefined {
  return readRecord(join(home, fileName), parse, 'Give the limits again')
}

/** Stores the limits. A running process of the folder adopts them within seconds; later runs read them too. */
export function writeLimits(home: string, limits: LimitsRecord): void {
  const path = join(home, fileName)
  writeFileSync(`${path}.new`, `${JSON.stringify({ format, ...limits })}\n`)
  renameSync(`${path}.new`, path)
}

function parse({ format: version, up, down }: Readonly<Record<string, unknown>>): LimitsRecord | undefined {
  if (version !== format || !isRate(up) || !isRate(down)) return undefined
  return { ...(up === undefined ? {} : { up }), ...(down === undefined ? {} : { down }) }
}

function isRate(value: unknown): value is number | undefined {
  return value === undefined || (typeof value === 'number' && value > 0)
}
