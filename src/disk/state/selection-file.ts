import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SyncError } from '../../errors.ts'
import type { Selection } from '../../tree/select.ts'
import type { VersionName } from '../../tree/version-name.ts'
import { type Lock, takeLock } from '../path/lock.ts'
import { writeWhole } from './marker.ts'
import { readRecord } from './record-file.ts'

/** What a mirror is to hold: which part of the folder, and of which version. */
export interface SelectionRecord extends Selection {
  /** The version that it is kept at, as it was asked for; it follows the log where there is none. */
  readonly version?: VersionName
  /** Which one that is, once the log has told. */
  readonly found?: FoundVersion
}

/** A version by what stays the same when its log gets a new fork. */
export interface FoundVersion {
  readonly length: number
  /** When it was made, by the writer's clock: at the same length another history would have another. */
  readonly timeMs: number
}

/**
 * FORMAT: `{"format":1,"only":["docs/"],"exclude":["*.tmp"],"version":{"by":"back","count":1},"found":{"length":12,
 * "timeMs":0}}`. `version` is left out where the newest is followed, `found` where it isn't known yet; other fields are
 * skipped. Whoever changes it holds the lock on `selection.lock` meanwhile.
 */
const fileName = 'selection.json'
const lockName = 'selection.lock'
const format = 1

/** Others hold the lock for a moment only, which may be seconds on a busy machine. */
const lockMsMax = 30_000
const lockTickMs = 20

/**
 * What the mirror with this state directory was told to hold, or `undefined` where it was told nothing: all of it.
 *
 * @throws {RangeError} when the file is damaged
 */
export function readSelection(home: string): SelectionRecord | undefined {
  return readRecord(join(home, fileName), parseRecord, 'Select anew what it is to hold')
}

/**
 * Changes it, so that a mirror at work finds it within a second, and the next run too.
 *
 * @param change gives what it is to be; `undefined` leaves it. Throws where the file can't be read
 * @throws {SyncError} LOCKED; whatever `change` throws
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
  const { format: found, only, exclude, ...rest } = fields
  if (found !== format || !areTexts(only) || !areTexts(exclude)) return undefined
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
