import { closeSync, constants, lstatSync, openSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { systemCode } from '../../errors.ts'
import type { TreePath } from '../../tree/path.ts'
import { baseName, isBeneath, parentPath } from '../../tree/path.ts'

/**
 * Resolves paths within a folder and never leaves it. It opens each directory relative to its parent and refuses
 * symlinks. So a directory that is swapped for a symlink, at whatever moment, can't lead a read or a write outside.
 *
 * On Linux it holds the directory by a descriptor and addresses it as `/proc/self/fd/N`, which also
 * lifts PATH_MAX. Elsewhere it checks the parents one by one, which leaves a short race.
 *
 * It keeps one descriptor for the next call, since callers work directory by directory. Call `release`
 * before a pause: an open descriptor follows its directory wherever the owner moves it.
 *
 * It looks up the folder itself by name each time, unless `pin` holds it.
 */
export class Beneath {
  readonly root: string
  #held: Held | undefined
  #pinned: Held | undefined

  constructor(root: string) {
    this.root = root
  }

  /**
   * Holds the present directory at `root` until `close` or the next `pin`: later calls never touch a directory that
   * replaces it or a file system that is mounted over it.
   *
   * @param verify gets a name of the directory and throws unless it is the intended folder
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
   * A name of the directory `path`, valid as a prefix of its children's names until the next call.
   *
   * @throws the system's error: ENOENT, ENOTDIR (also for a symlink), EACCES, …
   */
  directory(path: TreePath | ''): string {
    if (this.#held?.path === path) return this.#held.at
    if (path === '' && this.#pinned !== undefined) return this.#pinned.at
    return viaDescriptors ? this.#open(path) : this.#check(path)
  }

  /** A name of `path` itself, with its parent held: for system calls that don't follow a symlink at the end. */
  locate(path: TreePath): string {
    return `${this.directory(parentPath(path))}/${baseName(path)}`
  }

  /** The `lstat` of `path`; `undefined` if nothing is there or a parent isn't a directory. */
  stat(path: TreePath): Stats | undefined {
    try {
      return lstatSync(this.locate(path))
    } catch (error) {
      if (isAbsence(error)) return undefined
      throw error
    }
  }

  /** Closes the descriptor kept for the next call. The pinned folder stays open. */
  release(): void {
    if (this.#held !== undefined && this.#held.fd !== -1) closeSync(this.#held.fd)
    this.#held = undefined
  }

  /** Closes all descriptors. */
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
    for (const step of stepsBetween(held?.path ?? '', path)) {
      const parent = (held ?? this.#pinned) as Held
      const opened = openDirectory(`${parent.at}/${baseName(step)}`, openDirectoryFlags, step)
      if (held !== undefined) closeSync(held.fd)
      held = this.#held = opened
    }
    return (held as Held).at
  }

  #check(path: TreePath | ''): string {
    for (const step of stepsBetween('', path)) {
      if (lstatSync(join(this.root, step)).isDirectory()) continue
      throw Object.assign(new Error(`ENOTDIR: not a directory, '${step}'`), { code: 'ENOTDIR' })
    }
    this.#held = { path, fd: -1, at: path === '' ? this.root : join(this.root, path) }
    return this.#held.at
  }
}

/** An open directory, and a name that reaches it while it is open. `fd` is -1 on systems that go by names. */
interface Held {
  readonly path: TreePath | ''
  readonly fd: number
  readonly at: string
}

const viaDescriptors = process.platform === 'linux'
// Linux's O_PATH, which Node doesn't name, needs no permission to list the directories on the way.
const openPath = viaDescriptors ? 0o10000000 : constants.O_RDONLY
const openDirectoryFlags = openPath | constants.O_DIRECTORY | constants.O_NOFOLLOW

function openDirectory(name: string, flags: number, path: TreePath | ''): Held {
  const fd = openSync(name, flags)
  return { path, fd, at: `/proc/self/fd/${fd}` }
}

/** Whether an error means that nothing is at a path: ENOENT or ENOTDIR. */
export function isAbsence(error: unknown): boolean {
  const code = systemCode(error)
  return code === 'ENOENT' || code === 'ENOTDIR'
}

/** The paths from below `from` down to `to`, parents first. */
function* stepsBetween(from: TreePath | '', to: TreePath | ''): Generator<TreePath> {
  if (from === to) return
  let slash = to.indexOf('/', from === '' ? 0 : from.length + 1)
  for (; slash !== -1; slash = to.indexOf('/', slash + 1)) yield to.slice(0, slash) as TreePath
  yield to as TreePath
}
