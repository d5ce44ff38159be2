import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, realpathSync, statSync } from 'node:fs'
import { join, resolve, sep } from 'node:path'
import { type Lock, takeLock } from '../disk/path/lock.ts'
import {
  type Marker,
  readMarker,
  readStateOwner,
  type StateOwner,
  writeMarker,
  writeStateOwner
} from '../disk/state/marker.ts'
import { messageOf, SyncError, systemCode } from '../errors.ts'
import { reached } from '../failpoints.ts'
import { stateDirectoryName } from '../tree/path.ts'

/** A claimed folder: it is ours until its lock is released. */
export interface Folder {
  /** Absolute path. */
  readonly root: string
  /** The directory of store and state, which may lie outside the folder. */
  readonly home: string
  /** The Corestore's directory. */
  readonly store: string
  /** The state database's directory. */
  readonly state: string
  /** Where files are received. */
  readonly staging: string
  readonly marker: Marker
  readonly lock: Lock
}

export interface OpenFolderOptions {
  readonly role: 'writer' | 'reader'
  /** A reader's key, printed form. */
  readonly key?: string
  /** Keeps store and state in this directory rather than in the folder. */
  readonly state?: string | undefined
  /** Lets a reader take a directory that isn't empty. */
  readonly adopt?: boolean | undefined
  /** Refuses a directory without a marker. */
  readonly existing?: boolean | undefined
}

/**
 * Claims a directory, and makes it a folder if it isn't one yet. A claim that fails changes nothing.
 *
 * @throws {SyncError} FOLDER_MISSING, FOLDER_UNREADABLE, FOLDER_NOT_EMPTY, FOLDER_ROLE,
 *   FOLDER_OTHER_KEY, FOLDER_FORMAT, LOCKED, HALTED
 */
export function openFolder(directory: string, options: OpenFolderOptions): Folder {
  const { root, known } = checkFolder(directory, options)
  const own = join(root, stateDirectoryName)
  makeDirectory(own, `the state of ${root}`)
  const lock = takeLock(join(own, 'lock'), root)
  try {
    // The marker may have changed until the lock was taken.
    const marker = readMarker(root) ?? newMarker(options)
    checkClaim(root, marker, options)
    const stateHome = stateHomeOf(root, known, options)
    makeDirectory(stateHome, `the state of ${root}`)
    const outside = stateHome === own ? null : stateHome
    if (outside !== null) claimState(outside, { root, id: marker.id })
    if (known === undefined || marker.state !== outside) writeMarker(root, { ...marker, state: outside })
    reached('marker-written')
    return {
      root,
      home: stateHome,
      store: join(stateHome, 'store'),
      state: join(stateHome, 'state'),
      staging: join(own, 'staging'),
      marker: { ...marker, state: outside },
      lock
    }
  } catch (error) {
    lock.release()
    throw error
  }
}

/**
 * Checks whether a directory can be opened as a folder, as far as that shows without its lock. Touches nothing.
 *
 * @returns its absolute path, and its marker if it has one
 * @throws {SyncError} FOLDER_MISSING, FOLDER_UNREADABLE, FOLDER_NOT_EMPTY, FOLDER_ROLE, FOLDER_OTHER_KEY, FOLDER_FORMAT
 */
export function checkFolder(
  directory: string,
  options: OpenFolderOptions
): { readonly root: string; readonly known: Marker | undefined } {
  const root = realRoot(directory)
  checkDirectory(root, options.role)
  const known = readMarker(root)
  if (known === undefined) checkUnclaimed(root, options)
  else checkClaim(root, known, options)
  return { root, known }
}

/**
 * Checks that the folder is still the one that was claimed: a disk that isn't mounted must not count as an empty folder.
 *
 * @param at another path of the folder's directory; `root` when left out
 * @throws {SyncError} HALTED
 */
export function assertMarker({ root, marker }: Folder, at: string = root): void {
  const fault = markerFault(at, marker)
  if (fault === undefined) return
  throw new SyncError(
    'HALTED',
    `${root} is not the folder it was: ${fault}. Is its disk mounted? Nothing is read or written until it is back`
  )
}

/** What is wrong with the marker of a directory, in words; `undefined` when it is the one that is expected. */
function markerFault(at: string, { id }: Marker): string | undefined {
  try {
    const found = readMarker(at)
    if (found === undefined) return `its marker ${stateDirectoryName}/folder.json is missing`
    return found.id === id ? undefined : 'another folder stands there'
  } catch (error) {
    return `its marker ${stateDirectoryName}/folder.json can't be read (${messageOf(error)})`
  }
}

/** The path without symlinks: notifications name the directory that a link points to, not the link. */
function realRoot(directory: string): string {
  const path = resolve(directory)
  return existsSync(path) ? realpathSync(path) : path
}

/**
 * A state outside the folder may outlive it, or be there while the folder's disk isn't mounted. It must not take an empty
 * mount point, or another folder, for its own, and publish that everything was deleted.
 */
function claimState(directory: string, owner: StateOwner): void {
  const known = readStateOwner(directory)
  if (known === undefined) writeStateOwner(directory, owner)
  else if (known.id !== owner.id) {
    throw new SyncError(
      'HALTED',
      `${directory} is the state of another folder, last seen as ${known.root}. ` +
        `If that is ${owner.root}, its marker ${stateDirectoryName}/folder.json is missing: is its disk mounted? ` +
        'Else give another --state. Nothing was changed'
    )
  }
}

function checkDirectory(root: string, role: 'writer' | 'reader'): void {
  try {
    const stats = statSync(root)
    if (!stats.isDirectory()) {
      throw new SyncError('FOLDER_MISSING', `${root} is not a directory. Give a directory`)
    }
    readdirSync(root)
  } catch (error) {
    if (error instanceof SyncError) throw error
    if (systemCode(error) !== 'ENOENT' && systemCode(error) !== 'ENOTDIR') {
      throw new SyncError('FOLDER_UNREADABLE', `Can't read ${root}: ${messageOf(error)}`, { cause: error })
    }
    if (role === 'writer') throw new SyncError('FOLDER_MISSING', `There is no directory ${root}`, { cause: error })
  }
}

function checkUnclaimed(root: string, { role, adopt, existing }: OpenFolderOptions): void {
  if (existing === true) {
    throw new SyncError('FOLDER_MISSING', `${root} is not a folder of p2psync. Share it first, or mount its disk`)
  }
  if (!existsSync(root)) return
  const own = join(root, stateDirectoryName)
  if (existsSync(join(own, 'store'))) {
    throw new SyncError(
      'FOLDER_FORMAT',
      `${own} holds a store, but its marker folder.json is missing. Restore that file, or remove ${own} to start anew`
    )
  }
  const foreign = readdirSync(root).some((name) => name !== stateDirectoryName)
  if (role === 'reader' && foreign && adopt !== true) {
    throw new SyncError(
      'FOLDER_NOT_EMPTY',
      `${root} is not empty. Give an empty or new directory, or --adopt to keep its files and add those of the key`
    )
  }
}

function checkClaim(root: string, marker: Marker, { role, key }: OpenFolderOptions): void {
  if (marker.role !== role) {
    throw new SyncError(
      'FOLDER_ROLE',
      role === 'writer'
        ? `${root} is a mirror of ${marker.key}; its log is written elsewhere. Share another directory`
        : `${root} is shared from here. Clone into another directory`
    )
  }
  if (role === 'reader' && marker.key !== key) {
    throw new SyncError(
      'FOLDER_OTHER_KEY',
      `${root} is a mirror of another key, ${marker.key}. Clone into another directory`
    )
  }
}

function stateHomeOf(root: string, known: Marker | undefined, { role, state }: OpenFolderOptions): string {
  const own = join(root, stateDirectoryName)
  const home = state === undefined ? (known?.state ?? own) : realRoot(state)
  if (home === root || (home.startsWith(join(root, sep)) && home !== own && !home.startsWith(join(own, sep)))) {
    throw new SyncError(
      'USAGE',
      `The state can't be in the folder itself: ${home}. Give --state a directory outside it`
    )
  }
  // Without its store a writer would get a new key, and its readers would get nothing any more.
  if (role === 'writer' && known?.key && !existsSync(join(home, 'store'))) {
    throw new SyncError(
      'FOLDER_MISSING',
      `The state of ${root} is not in ${home}. Give --state DIR as when it was first shared` +
        `${known.state === null ? '' : ` (it was ${known.state})`}`
    )
  }
  return home
}

function makeDirectory(path: string, purpose: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: path.endsWith(stateDirectoryName) ? 0o700 : 0o755 })
  } catch (error) {
    throw new SyncError('FOLDER_UNREADABLE', `Can't make ${path} for ${purpose}: ${messageOf(error)}`, { cause: error })
  }
}

function newMarker({ role, key }: OpenFolderOptions): Marker {
  return { format: 1, id: randomUUID(), role, key: key ?? null, state: null }
}
