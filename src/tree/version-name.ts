import { SyncError } from '../errors.ts'

/** A name of a version. Which version it means depends on the log. */
export type VersionName =
  /** The version of this number, as `share` prints it: the length of the entries core. At least 1. */
  | { readonly by: 'number'; readonly number: number }
  /** This many versions before the newest; at least 1. */
  | { readonly by: 'back'; readonly count: number }
  /** The last version that the writer recorded at or before this time, in milliseconds since 1970. */
  | { readonly by: 'time'; readonly timeMs: number }

/** Times are no longer; and numbers with more digits aren't exact. */
const textMax = 40

const unitMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const

/**
 * The version that a text names: `1234`, `-1`, `2026-11-20`, `2026-11-20T12:00`, with seconds and with `Z` or an offset
 * such as `+02:00` too, or an age such as `30m`, `2h`, `7d`, `2w`. An `@` may stand before it. A time without an offset
 * is by the local clock; a date alone is the first moment of that day.
 *
 * @param nowMs what ages are counted back from, in milliseconds since 1970
 * @throws {SyncError} USAGE
 */
export function parseVersionName(text: string, nowMs: number): VersionName {
  const name = readVersionName(text.trim().replace(/^@/, ''), nowMs)
  if (name !== undefined) return name
  throw new SyncError(
    'USAGE',
    `${JSON.stringify(text)} names no version. Give its number, -1 for the one before the newest, ` +
      'a time such as 2026-11-20T12:00, or an age such as 30m, 2h, 7d or 2w'
  )
}

/**
 * Splits `where@version` at its last `@` if a version follows it. A path may end like this, too: callers that take
 * paths first check whether the whole text is one.
 *
 * @param nowMs what ages are counted back from, in milliseconds since 1970
 * @returns the text before the `@`, perhaps empty; the whole text if it names no version
 */
export function splitAtVersion(text: string, nowMs: number): readonly [where: string, name: VersionName | undefined] {
  const at = text.lastIndexOf('@')
  const name = at === -1 ? undefined : readVersionName(text.slice(at + 1), nowMs)
  return name === undefined ? [text, undefined] : [text.slice(0, at), name]
}

function readVersionName(text: string, nowMs: number): VersionName | undefined {
  if (text.length > textMax) return undefined
  const [, back, digits] = /^(-?)(\d+)$/.exec(text) ?? []
  if (digits !== undefined) {
    const number = Number(digits)
    if (number < 1 || !Number.isSafeInteger(number)) return undefined
    return back === '-' ? { by: 'back', count: number } : { by: 'number', number }
  }
  const timeMs = readAge(text, nowMs) ?? readTime(text)
  return timeMs === undefined ? undefined : { by: 'time', timeMs }
}

function readAge(text: string, nowMs: number): number | undefined {
  const match = /^(\d+(?:\.\d+)?)([smhdw])$/.exec(text)
  if (match === null) return undefined
  return Math.round(nowMs - Number(match[1]) * unitMs[match[2] as keyof typeof unitMs])
}

function readTime(text: string): number | undefined {
  const match = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,3}))?)?(Z|[+-]\d\d:?\d\d)?)?$/i.exec(
    text
  )
  if (match === null) return undefined
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map((it) => Number(it ?? 0))
  const ms = Number((match[7] ?? '').padEnd(3, '0'))
  const offset = match[8]
  // A log is no older than its format; years below 100 mean others to Date.
  if (year < 1970 || hour > 23 || minute > 59 || second > 59) return undefined
  const sameDay = new Date(Date.UTC(year, month - 1, day))
  if (sameDay.getUTCMonth() !== month - 1 || sameDay.getUTCDate() !== day) return undefined
  if (offset === undefined) return new Date(year, month - 1, day, hour, minute, second, ms).getTime()
  const offsetMs = readOffset(offset)
  return offsetMs === undefined ? undefined : Date.UTC(year, month - 1, day, hour, minute, second, ms) - offsetMs
}

function readOffset(text: string): number | undefined {
  if (text.toUpperCase() === 'Z') return 0
  const [hours, minutes] = [Number(text.slice(1, 3)), Number(text.slice(-2))]
  if (hours > 23 || minutes > 59) return undefined
  return (text.startsWith('-') ? -1 : 1) * (hours * unitMs.h + minutes * unitMs.m)
}
