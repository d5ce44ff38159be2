import { closeSync, constants, lstatSync, openSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { systemCode } from '../../errors.ts'
import type { TreePath } from '../../tree/path.ts'
import { baseName, isBeneath, parentPath } from '../../tree/path.ts'

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
 *
 * The folder itself is found by its name each time, unless it was pinned.
 */
export class Beneath {
  readonly root: string
  #held: Held | undefined
  #pinned: Held | undefined

  constructor(root: string) {
    this.root = root
  }

  /**
   * Holds on to the directory that is the folder now, until `close` or the next `pin`: whatever takes
   * its place, or is mounted over it, isn't touched, and nothing is mistaken for it.
   *
   * @param verify is given a name for it, and throws when it isn't the folder that is meant
   */
  pin(verify: (at: string) => void = () => {}): void {
    this.close()
    this.#pinned = viaDescriptors ? openDirectory(this.root, openPath | constants.O_DIRECTORY, '') : undefined
    try {
      verify(this.#pinned?.at ?? this.root)
    } catch (error) {
      this.close()
      throw error
    }
  }

  /**
   * A name for the directory `path` by which its children can be reached until the next call.
   *
   * @throws the system's error: ENOENT, ENOTDIR (also for a symlink), EACCES, …
   */
  directory(path: TreePath | ''): string {
    if (this.#held?.path === path) return this.#held.at
    if (path === '' && this.#pinned !== undefined) return this.#pinned.at
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

  /** Lets go of the directory held. What is pinned stays so. */
  release(): void {
    if (this.#held !== undefined && this.#held.fd !== -1) closeSync(this.#held.fd)
    this.#held = undefined
  }

  /** Lets go of everything. */
  close(): void {
    this.release()
    if (this.#pinned !== undefined) closeSync(this.#pinned.fd)
    this.#pinned = undefined
  }

  #open(path: TreePath | ''): string {
    let held = this.#held
    if (held !== undefined && path !== held.path && !isBeneath(path as TreePath, held.path)) {
      this.release()
      held = undefined
    }
    if (held === undefined && this.#pinned === undefined) {
      held = this.#held = openDirectory(this.root, openPath | constants.O_DIRECTORY, '')
    }
    for (const next of stepsBetween(held?.path ?? '', path)) {
      const from = (held ?? this.#pinned) as Held
      const opened = openDirectory(`${from.at}/${baseName(next)}`, openDirectoryFlags, next)
      if (held !== undefined) closeSync(held.fd)
      held = this.#held = opened
    }
    return (held as Held).at
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

/** A directory that is open, and a name by which it can be reached as long as it is. */
interface Held {
  readonly path: TreePath | ''
  readonly fd: number
  readonly at: string
}

const viaDescriptors = process.platform === 'linux'
// Linux's O_PATH, for which Node has no name, asks for no permission to list what is only passed through.
const openPath = viaDescriptors ? 0o10000000 : constants.O_RDONLY
const openDirectoryFlags = openPath | constants.O_DIRECTORY | constants.O_NOFOLLOW

function openDirectory(name: string, flags: number, path: TreePath | ''): Held {
  const fd = openSync(name, flags)
  return { path, fd, at: `/proc/self/fd/${fd}` }
}

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
