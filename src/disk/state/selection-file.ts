import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SyncError } from '../../errors.ts'
import type { Selection } from '../../tree/select.ts'
import type { VersionName } from '../../tree/version-name.ts'
import { type Lock, takeLock } from '../path/lock.ts'
import { writeWhole } from './marker.ts'
import { readRecord } from './record-file.ts'

/** The part of the folder, and the version of it, that a mirror shall hold. */
export interface SelectionRecord extends Selection {
  /** The version to stay at, as the user named it; the mirror follows the log if absent. */
  readonly version?: VersionName
  /** The version that the name stands for, once the log has resolved it. */
  readonly found?: FoundVersion
}

/** Identifies a version by properties that survive a new fork of its log. */
export interface FoundVersion {
  readonly length: number
  /** When the writer made it, by its clock: tells apart versions of different histories with the same length. */
  readonly timeMs: number
}

/**
 * FORMAT: `{"format":1,"only":["docs/"],"exclude":["*.tmp"],"version":{"by":"back","count":1},"found":{"length":12,
 * "timeMs":0}}`. `version` is absent if the mirror follows the newest, `found` until the log has resolved it; readers
 * skip other fields. A process that changes the file holds the lock on `selection.lock`.
 */
const fileName = 'selection.json'
const lockName = 'selection.lock'
const format = 1

/** Other processes hold the lock briefly, which may be seconds on a busy machine. */
const lockMsMax = 30_000
const lockTickMs = 20

/**
 * The selection of the mirror with this state directory; `undefined` if none was ever set: the mirror holds everything.
 *
 * @throws {RangeError} if the file is damaged
 */
export function readSelection(home: string): SelectionRecord | undefined {
  return readRecord(join(home, fileName), parseRecord, 'Select anew what it is to hold')
}

/**
 * Changes the selection. A running mirror adopts it within a second; later runs read it too.
 *
 * @param change gives the new record, or `undefined` to leave the file. Its `read` throws if the file can't be read
 * @throws {SyncError} LOCKED; any error of `change`
 */
export async function changeSelection(
  home: string,
  change: (read: () => SelectionRecord | undefined) => SelectionRecord | undefined
): Promise<void> {
  const lock = await lockIn(home)
  try {
    const record = change(() => readSelection(home))
    if (record !== undefined) writeWhole(join(home, fileName), `${JSON.stringify({ format, ...record })}\n`)
  } finally {
    lock.release()
  }
}

async function lockIn(home: string): Promise<Lock> {
  const endMs = performance.now() + lockMsMax
  for (;;) {
    try {
      return takeLock(join(home, lockName), `The selection in ${home}`)
    } catch (error) {
      const isHeld = error instanceof SyncError && error.code === 'LOCKED'
      if (!isHeld || performance.now() > endMs) throw error
      await sleep(lockTickMs)
    }
  }
}

function parseRecord(fields: Readonly<Record<string, unknown>>): SelectionRecord | undefined {
  const { format: formatVersion, only, exclude, ...rest } = fields
  if (formatVersion !== format || !areTexts(only) || !areTexts(exclude)) return undefined
  const version = parseVersion(rest.version)
  if (rest.version !== undefined && version === undefined) return undefined
  if (version === undefined) return { only, exclude }
  if (rest.found === undefined) return { only, exclude, version }
  return isFound(rest.found) ? { only, exclude, version, found: rest.found } : undefined
}

function areTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((it) => typeof it === 'string')
}

function parseVersion(value: unknown): VersionName | undefined {
  const { by, number, count, timeMs } = (value ?? {}) as Record<string, unknown>
  if (by === 'number' && isCount(number)) return { by, number }
  if (by === 'back' && isCount(count)) return { by, count }
  return by === 'time' && Number.isSafeInteger(timeMs) ? { by, timeMs: timeMs as number } : undefined
}

function isFound(value: unknown): value is FoundVersion {
  const { length, timeMs } = (value ?? {}) as Record<string, unknown>
  return isCount(length) && Number.isSafeInteger(timeMs)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0
}
