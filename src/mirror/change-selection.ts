import { join, resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { readMarker } from '../disk/state/marker.ts'
import { changeSelection, readSelection, type SelectionRecord } from '../disk/state/selection-file.ts'
import { messageOf, SyncError } from '../errors.ts'
import { stateDirectoryName } from '../tree/path.ts'
import { everything, partOf } from '../tree/select.ts'
import { parseVersionName, type VersionName } from '../tree/version-name.ts'

/** What a mirror is to hold. What isn't given stays as it is, but `only` and `exclude` replace each other's. */
export interface SelectOptions {
  /** Only what one of these patterns matches, in the syntax of `.gitignore`, and all beneath it. */
  readonly only?: readonly string[]
  /** Nothing that one of these matches. */
  readonly exclude?: readonly string[]
  /** All of the folder. */
  readonly all?: boolean
  /** It is kept at this version: a number, `-1`, a time or an age. */
  readonly version?: string
  /** It follows the newest version. */
  readonly latest?: boolean
}

/** What a mirror is to hold, as it is. */
export interface Selected {
  readonly only: readonly string[]
  readonly exclude: readonly string[]
  /** The number of the version that it is kept at; `null` where it follows the newest, or where that isn't known yet. */
  readonly version: number | null
  /** The version that it is to be kept at, once the log has told which that is; else `null`. */
  readonly pending: VersionName | null
}

/**
 * Changes what a mirror is to hold, whether it is at work or not; without any option it only tells.
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
  let now: SelectionRecord = everything
  if (change === undefined) now = readOr(() => readSelection(home)) ?? everything
  else {
    await changeSelection(home, (read) => {
      now = change(read)
      return now
    })
  }
  return asSelected(now)
}

/** Checks what is asked for. @returns how it changes what was; `undefined` where nothing is asked for @throws {SyncError} USAGE */
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
    const was = readOr(read, isWhole)
    const { only, exclude } = selection ?? was ?? everything
    if (latest) return { only, exclude }
    if (asked === undefined) return { ...was, only, exclude }
    // The same as before is the same version; one counted back from the newest is counted anew.
    const isSame = asked.by !== 'back' && isDeepStrictEqual(asked, was?.version)
    return { only, exclude, version: asked, ...(isSame && was?.found !== undefined ? { found: was.found } : {}) }
  }
}

/** @param isReplaced whether nothing of it is to stay @throws {SyncError} FOLDER_FORMAT */
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

/** What is selected, in words; `undefined` where that is all of the newest version. */
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
