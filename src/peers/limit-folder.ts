import { join, resolve } from 'node:path'
import { readLimits, writeLimits } from '../disk/state/limits-file.ts'
import { readMarker } from '../disk/state/marker.ts'
import { SyncError } from '../errors.ts'
import type { Limits } from '../net/status.ts'
import { stateDirectoryName } from '../tree/path.ts'

/**
 * Changes the bandwidth of a folder, whether it is at work or not: it keeps to the new limits within seconds.
 *
 * @param limits what is left out stays as it is; `Infinity` lifts a limit
 * @returns what counts from now on
 * @throws {SyncError} FOLDER_MISSING, FOLDER_FORMAT
 */
export function limitFolder(directory: string, limits: Limits): Limits {
  const root = resolve(directory)
  const marker = readMarker(root)
  if (marker === undefined) throw new SyncError('FOLDER_MISSING', `${root} is not a folder of p2psync`)
  const home = marker.state ?? join(root, stateDirectoryName)
  const now = { ...known(home), ...withoutUndefined(limits) }
  const finite = Object.fromEntries(Object.entries(now).filter(([, rate]) => Number.isFinite(rate)))
  writeLimits(home, finite)
  return finite
}

function known(home: string): Limits {
  try {
    return readLimits(home) ?? {}
  } catch {
    return {} // It is made anew.
  }
}

function withoutUndefined(limits: Limits): Limits {
  return Object.fromEntries(Object.entries(limits).filter(([, rate]) => rate !== undefined))
}
