import type { State } from '../disk/state/state.ts'
import { SyncError } from '../errors.ts'
import type { LogView } from '../log/log-view.ts'
import { parseTreePath, type TreePath } from '../tree/path.ts'
import type { Version } from '../tree/tree.ts'
import { parseVersionName } from '../tree/version-name.ts'
import { findNamedVersion } from './find-version.ts'

/** A log to read: that of an open folder, of a closed one, or of remote peers. */
export interface LogSource {
  /** Printed form. */
  readonly key: string
  readonly view: LogView
  /** Resolves when the latest version is known, as far as connected peers tell. */
  readonly settled: (signal: AbortSignal) => Promise<void>
  /** Calls `listener` whenever there may be another version. @returns a function that ends that */
  readonly onChange: (listener: () => void) => () => void
  /** Translates a version of an earlier fork into the present fork, where both have it in common; else returns it as it is. */
  readonly carried: (version: Version) => Version
  /** The folder on this machine, where there is one. */
  readonly root?: string
  /** The baseline records of that folder. */
  readonly records?: State['records']
}

/** The version found last in each log: to get all files of a version, its number is looked up for each of them. */
const lastFound = new WeakMap<LogView, Version>()

/** Finds the version that a text names; the latest finished version when `name` is left out. @throws {SyncError} NO_SUCH_VERSION, USAGE */
export async function versionNamed(source: LogSource, name: string | undefined, signal: AbortSignal): Promise<Version> {
  await source.settled(signal)
  const latest = await source.view.finished(signal)
  if (latest === undefined) throw new SyncError('NO_SUCH_VERSION', 'The log has no version yet')
  if (name === undefined) return latest
  const head = (version: Version) => source.view.head(version, signal)
  const wanted = parseVersionName(name, Date.now())
  const known = lastFound.get(source.view)
  if (wanted.by === 'number' && known?.length === wanted.number && known.fork === latest.fork) return known
  const version = await findNamedVersion(source.view, head, latest, wanted, signal)
  lastFound.set(source.view, version)
  return version
}

/** Parses a path that a user gives, relative to the folder; `''` for the folder itself. @throws {SyncError} USAGE */
export function pathOf(text: string | undefined): TreePath | '' {
  const trimmed = (text ?? '').replace(/^(\.?\/)+/, '').replace(/\/+$/, '')
  if (trimmed === '' || trimmed === '.') return ''
  const path = parseTreePath(trimmed)
  if (path === undefined) throw new SyncError('USAGE', `${JSON.stringify(text)} is not a path within the folder`)
  return path
}
