import { join, resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { readMarker } from '../disk/state/marker.ts'
import { changeSelection, readSelection, type SelectionRecord } from '../disk/state/selection-file.ts'
import { messageOf, SyncError } from '../errors.ts'
import { stateDirectoryName } from '../tree/path.ts'
import { everything, partOf } from '../tree/select.ts'
import { parseVersionName, type VersionName } from '../tree/version-name.ts'

/** A change of what a mirror holds. An option that is left out changes nothing, but `only` and `exclude` go together. */
export interface SelectOptions {
  /** Patterns in the syntax of `.gitignore`: the mirror holds the paths that match one, and all beneath them. */
  readonly only?: readonly string[]
  /** Patterns of paths that the mirror doesn't hold. */
  readonly exclude?: readonly string[]
  /** Drops the patterns: the mirror holds all of the folder. */
  readonly all?: boolean
  /** Keeps the mirror at this version: a number, `-1`, a time or an age. */
  readonly version?: string
  /** Makes the mirror follow the newest version. */
  readonly latest?: boolean
}

/** What a mirror holds. */
export interface Selected {
  readonly only: readonly string[]
  readonly exclude: readonly string[]
  /** The number of the version that it is kept at; `null` where it follows the newest, or the log hasn't told the number yet. */
  readonly version: number | null
  /** The version that it is kept at, as long as the log hasn't told its number; otherwise `null`. */
  readonly pending: VersionName | null
}

/**
 * Changes what a mirror holds, whether or not a process is at work on it. Without any option it changes nothing.
 *
 * @throws {SyncError} USAGE, FOLDER_MISSING, FOLDER_FORMAT, FOLDER_ROLE, LOCKED
 */
export async function selectFolder(directory: string, options: SelectOptions = {}): Promise<Selected> {
  selectionChange(options)
  const root = resolve(directory)
  const marker = readMarker(root)
  if (marker === undefined) throw new SyncError('FOLDER_MISSING', `${root} is not a folder of p2psync`)
  if (marker.role !== 'reader') {
    throw new SyncError('FOLDER_ROLE', `${root} is shared from here: it holds all that is in it. Select in a mirror`)
  }
  return selectIn(marker.state ?? join(root, stateDirectoryName), options)
}

/** The same for the mirror with this state directory. */
export async function selectIn(home: string, options: SelectOptions): Promise<Selected> {
  const change = selectionChange(options)
  if (change === undefined) return asSelected(readOr(() => readSelection(home)) ?? everything)
  let changed: SelectionRecord = everything
  await changeSelection(home, (read) => {
    changed = change(read)
    return changed
  })
  return asSelected(changed)
}

/** Checks options. @returns a function that applies them to a selection; `undefined` without any option @throws {SyncError} USAGE */
export function selectionChange(
  options: SelectOptions
): ((read: () => SelectionRecord | undefined) => SelectionRecord) | undefined {
  const { only, exclude, all = false, version, latest = false } = options
  const isPart = only !== undefined || exclude !== undefined
  if (all && isPart) throw new SyncError('USAGE', 'Give --all, or --only and --exclude, not both')
  if (latest && version !== undefined) throw new SyncError('USAGE', 'Give --latest or --version, not both')
  const selection = isPart ? { only: only ?? [], exclude: exclude ?? [] } : all ? everything : undefined
  if (selection !== undefined) partOf(selection)
  const asked = version === undefined ? undefined : parseVersionName(version, Date.now())
  if (selection === undefined && asked === undefined && !latest) return undefined
  const isWhole = selection !== undefined && (asked !== undefined || latest)
  return (read) => {
    const before = readOr(read, isWhole)
    const { only, exclude } = selection ?? before ?? everything
    if (latest) return { only, exclude }
    if (asked === undefined) return { ...before, only, exclude }
    // The same name is the same version, except for one that is counted back from the newest: that is counted anew.
    const isSame = asked.by !== 'back' && isDeepStrictEqual(asked, before?.version)
    const found = isSame ? before?.found : undefined
    return { only, exclude, version: asked, ...(found === undefined ? {} : { found }) }
  }
}

/** @param isReplaced whether nothing of a damaged record is needed @throws {SyncError} FOLDER_FORMAT */
function readOr(read: () => SelectionRecord | undefined, isReplaced = false): SelectionRecord | undefined {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    if (isReplaced) return undefined
    const advice = 'Give all of it, such as --all --latest'
    throw new SyncError('FOLDER_FORMAT', `${messageOf(error)}. ${advice}`, { cause: error })
  }
}

function asSelected({ only, exclude, version, found }: SelectionRecord): Selected {
  return { only, exclude, version: found?.length ?? null, pending: found === undefined ? (version ?? null) : null }
}

/** Describes a selection in words; `undefined` for all of the newest version. */
export function describeSelection({ only, exclude, version, found }: SelectionRecord): string | undefined {
  const parts: string[] = []
  if (only.length > 0) parts.push(`only ${only.join(', ')}`)
  if (exclude.length > 0) parts.push(`${only.length > 0 ? 'but not' : 'all but'} ${exclude.join(', ')}`)
  if (parts.length === 0 && version !== undefined) parts.push('all')
  if (version !== undefined) parts.push(`of ${describeVersion(version, found?.length)}`)
  return parts.length === 0 ? undefined : parts.join(' ')
}

function describeVersion(name: VersionName, number: number | undefined): string {
  if (number !== undefined || name.by === 'number') return `version ${number ?? (name.by === 'number' && name.number)}`
  if (name.by === 'time') return `the last version at ${new Date(name.timeMs).toISOString()}`
  return name.count === 1 ? 'the version before the newest' : `the version ${name.count} before the newest`
}
