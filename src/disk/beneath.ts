import { closeSync, constants, lstatSync, openSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { systemCode } from '../errors.ts'
import type { TreePath } from '../tree/path.ts'
import { baseName, isBeneath, parentPath } from '../tree/path.ts'

/**
 * Reaches what lies in a folder without ever leaving it. Each directory on the way is opened from
 * the one before it and refused when it is a symlink, so that no swap of a directory for a link, at
 * whatever moment, leads a read or a write outside.
 *
 * On Linux a directory stays held by its descriptor and is addressed as `/proc/self/fd/N`, which also
 * lifts PATH_MAX. Elsewhere the parents are checked one by one, which leaves a moment for a race.
 *
 * One descriptor is kept for the next call, since work goes directory by directory. `release` it
 * whenever a pause follows: a directory that is held is followed wherever its owner moves it.
 */
export class Beneath {
  readonly root: string
  #held: { readonly path: TreePath | ''; readonly fd: number; readonly at: string } | undefined

  constructor(root: string) {
    this.root = root
  }

  /**
   * A name for the directory `path` by which its children can be reached until the next call.
   *
   * @throws the system's error: ENOENT, ENOTDIR (also for a symlink), EACCES, …
   */
  directory(path: TreePath | ''): string {
    if (this.#held?.path === path) return this.#held.at
    return viaDescriptors ? this.#open(path) : this.#check(path)
  }

  /** A name for `path` itself, its parent being held: for calls that don't follow a last symlink. */
  locate(path: TreePath): string {
    return `${this.directory(parentPath(path))}/${baseName(path)}`
  }

  /** What is at `path`, or `undefined` where nothing is, or where a parent is no directory. */
  stat(path: TreePath): Stats | undefined {
    try {
      return lstatSync(this.locate(path))
    } catch (error) {
      if (isAbsence(error)) return undefined
      throw error
    }
  }

  /** Lets go of the directory held. */
  release(): void {
    if (this.#held !== undefined && this.#held.fd !== -1) closeSync(this.#held.fd)
    this.#held = undefined
  }

  #open(path: TreePath | ''): string {
    let held = this.#held
    if (held === undefined || (path !== held.path && !isBeneath(path as TreePath, held.path))) {
      this.release()
      const fd = openSync(this.root, openPath | constants.O_DIRECTORY)
      held = this.#held = { path: '', fd, at: `/proc/self/fd/${fd}` }
    }
    for (const next of stepsBetween(held.path, path)) {
      const fd = openSync(`${held.at}/${baseName(next)}`, openDirectoryFlags)
      closeSync(held.fd)
      held = this.#held = { path: next, fd, at: `/proc/self/fd/${fd}` }
    }
    return held.at
  }

  #check(path: TreePath | ''): string {
    for (const next of stepsBetween('', path)) {
      if (lstatSync(join(this.root, next)).isDirectory()) continue
      throw Object.assign(new Error(`ENOTDIR: not a directory, '${next}'`), { code: 'ENOTDIR' })
    }
    this.#held = { path, fd: -1, at: path === '' ? this.root : join(this.root, path) }
    return this.#held.at
  }
}

const viaDescriptors = process.platform === 'linux'
// Linux's O_PATH, for which Node has no name, asks for no permission to list what is only passed through.
const openPath = viaDescriptors ? 0o10000000 : constants.O_RDONLY
const openDirectoryFlags = openPath | constants.O_DIRECTORY | constants.O_NOFOLLOW

/** Whether an error only says that there is nothing at a path. */
export function isAbsence(error: unknown): boolean {
  const code = systemCode(error)
  return code === 'ENOENT' || code === 'ENOTDIR'
}

function* stepsBetween(from: TreePath | '', to: TreePath | ''): Generator<TreePath> {
  if (from === to) return
  let slash = to.indexOf('/', from === '' ? 0 : from.length + 1)
  for (; slash !== -1; slash = to.indexOf('/', slash + 1)) yield to.slice(0, slash) as TreePath
  yield to as TreePath
}
