import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readRecord } from './record-file.ts'

/** Bytes per second to and from all peers together; without one there is no limit. */
export interface LimitsRecord {
  readonly up?: number
  readonly down?: number
}

/** FORMAT: `{"format":1,"up":500000,"down":2000000}`, each left out where there is no limit; others are skipped. */
const fileName = 'limits.json'
const format = 1

/**
 * The limits that a folder was given while it ran, or `undefined` where it never was.
 *
 * @throws {RangeError} when the file is damaged
 */
export function readLimits(home: string): LimitsRecord | undefined {
  return readRecord(join(home, fileName), parse, 'Give the limits again')
}

/** Puts the limits where a running folder finds them within seconds, and the next run too. */
export function writeLimits(home: string, limits: LimitsRecord): void {
  const path = join(home, fileName)
  writeFileSync(`${path}.new`, `${JSON.stringify({ format, ...limits })}\n`)
  renameSync(`${path}.new`, path)
}

function parse({ format: found, up, down }: Readonly<Record<string, unknown>>): LimitsRecord | undefined {
  if (found !== format || !isRate(up) || !isRate(down)) return undefined
  return { ...(up === undefined ? {} : { up }), ...(down === undefined ? {} : { down }) }
}

function isRate(value: unknown): value is number | undefined {
  return value === undefined || (typeof value === 'number' && value > 0)
}
