import type { State } from '../disk/state/state.ts'
import { SyncError } from '../errors.ts'
import type { LogView } from '../log/log-view.ts'
import { parseTreePath, type TreePath } from '../tree/path.ts'
import type { Version } from '../tree/tree.ts'
import { parseVersionName } from '../tree/version-name.ts'
import { findNamedVersion } from './find-version.ts'

/** What the operations that read a log are carried out on: a folder at work, one that rests, or a log far away. */
export interface LogSource {
  /** Printed form. */
  readonly key: string
  readonly view: LogView
  /** Resolves when the log is known as it is now, as far as it ever will be without waiting for others. */
  readonly settled: (signal: AbortSignal) => Promise<void>
  /** Calls `listener` whenever there may be another version. @returns a function that ends it */
  readonly onChange: (listener: () => void) => () => void
  /** A version of an earlier fork as one of the present fork, where all of it is common to both; else as it is. */
  readonly carried: (version: Version) => Version
  /** The folder on this machine, where there is one. */
  readonly root?: string
  /** What is recorded of it. */
  readonly records?: State['records']
}

/** The version of each log that was found last: who gets all files of one names it for each of them. */
const found = new WeakMap<LogView, Version>()

/** The version that a text names, the latest whole one when there is none. @throws {SyncError} NO_SUCH_VERSION, USAGE */
export async function versionNamed(source: LogSource, name: string | undefined, signal: AbortSignal): Promise<Version> {
  await source.settled(signal)
  const latest = await source.view.finished(signal)
  if (latest === undefined) throw new SyncError('NO_SUCH_VERSION', 'The log has no version yet')
  if (name === undefined) return latest
  const head = (version: Version) => source.view.head(version, signal)
  const wanted = parseVersionName(name, Date.now())
  const known = found.get(source.view)
  if (wanted.by === 'number' && known?.length === wanted.number && known.fork === latest.fork) return known
  const version = await findNamedVersion(source.view, head, latest, wanted, signal)
  found.set(source.view, version)
  return version
}

/** A path as a user gives it, relative to the folder; `''` for the folder itself. @throws {SyncError} USAGE */
export function pathOf(text: string | undefined): TreePath | '' {
  const trimmed = (text ?? '').replace(/^(\.?\/)+/, '').replace(/\/+$/, '')
  if (trimmed === '' || trimmed === '.') return ''
  const path = parseTreePath(trimmed)
  if (path === undefined) throw new SyncError('USAGE', `${JSON.stringify(text)} is not a path within the folder`)
  return path
}
