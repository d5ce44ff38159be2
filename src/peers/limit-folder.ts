import { join, resolve } from 'node:path'
import { readLimits, writeLimits } from '../disk/state/limits-file.ts'
import { readMarker } from '../disk/state/marker.ts'
import { SyncError } from '../errors.ts'
import type { Limits } from '../net/status.ts'
import { stateDirectoryName } from '../tree/path.ts'

/**
 * Changes the bandwidth limits of a folder. If the folder is at work, it applies them within seconds.
 *
 * @param limits one that is left out stays as it is; `Infinity` lifts one
 * @returns the limits that apply from now on
 * @throws {SyncError} FOLDER_MISSING, FOLDER_FORMAT
 */
export function limitFolder(directory: string, limits: Limits): Limits {
  const root = resolve(directory)
  const marker = readMarker(root)
  if (marker === undefined) throw new SyncError('FOLDER_MISSING', `${root} is not a folder of p2psync`)
  const home = marker.state ?? join(root, stateDirectoryName)
  const now = { ...stored(home), ...withoutUndefined(limits) }
  const finite = Object.fromEntries(Object.entries(now).filter(([, rate]) => Number.isFinite(rate)))
  writeLimits(home, finite)
  return finite
}

function stored(home: string): Limits {
  try {
    return readLimits(home) ?? {}
  } catch {
    return {} // A damaged file is written anew.
  }
}

function withoutUndefined(limits: Limits): Limits {
  return Object.fromEntries(Object.entries(limits).filter(([, rate]) => rate !== undefined))
}
