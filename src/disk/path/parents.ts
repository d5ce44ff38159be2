import { chmodSync, lstatSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { systemCode } from '../../errors.ts'
import { permissionBits } from '../../tree/entry.ts'
import { baseName, parentPath, type TreePath } from '../../tree/path.ts'
import { Beneath } from './beneath.ts'

/** Reaches the directories in which a plan changes a folder, and records which of them it touched. */
export class Parents {
  /** Directories to restore at the end: the time, and `mode` where it was widened for writing. */
  readonly touched = new Map<TreePath, { readonly mode: number | undefined }>()
  readonly #root: string
  readonly #mayWiden: (path: TreePath) => boolean
  readonly #beneath: Beneath
  /** For the sources of moves, so that both ends of a move keep their directory open. */
  readonly #away: Beneath
  #dirty = new Set<string>()

  /** @param mayWiden whether a directory's mode may be widened temporarily in order to write to it */
  constructor(root: string, mayWiden: (path: TreePath) => boolean) {
    this.#root = root
    this.#mayWiden = mayWiden
    this.#beneath = new Beneath(root)
    this.#away = new Beneath(root)
  }

  /** Holds the present directory of the folder; see `Beneath.pin`. */
  pin(verify: (at: string) => void): void {
    this.#beneath.pin(verify)
    this.#away.pin(verify)
  }

  release(): void {
    this.#beneath.release()
    this.#away.release()
  }

  close(): void {
    this.#beneath.close()
    this.#away.close()
  }

  stat(path: TreePath): Stats | undefined {
    return this.#beneath.stat(path)
  }

  locate(path: TreePath): string {
    return this.#beneath.locate(path)
  }

  /** Calls `act` on a path and its directory, which it makes writable first if it has to and `mayWiden` allows it. */
  within(path: TreePath, act: (at: string, parent: string) => void): void {
    this.#within(this.#beneath, path, act)
  }

  /** Does the same for a path from which something is taken. */
  away(path: TreePath, act: (at: string) => void): void {
    this.#within(this.#away, path, act)
  }

  /** Records that `path` was removed: its parent's time has changed, and `path` itself needs no restoring any more. */
  wentFrom(path: TreePath): void {
    this.#markTouched(parentPath(path))
    this.touched.delete(path)
  }

  /** The absolute paths of the directories changed since the last call: to be made durable. */
  takeDirty(): ReadonlySet<string> {
    const dirty = this.#dirty
    this.#dirty = new Set()
    return dirty
  }

  #within(beneath: Beneath, path: TreePath, act: (at: string, parent: string) => void): void {
    const parent = parentPath(path)
    const directory = beneath.directory(parent)
    this.#markTouched(parent)
    const at = `${directory}/${baseName(path)}`
    try {
      act(at, directory)
    } catch (error) {
      if (systemCode(error) !== 'EACCES' || parent === '' || !this.#mayWiden(parent)) throw error
      this.#widen(parent, directory)
      act(at, directory)
    }
  }

  #markTouched(parent: TreePath | ''): void {
    this.#dirty.add(join(this.#root, parent))
    if (parent !== '' && !this.touched.has(parent)) this.touched.set(parent, { mode: undefined })
  }

  #widen(path: TreePath, directory: string): void {
    const mode = lstatSync(`${directory}/.`).mode & permissionBits
    this.touched.set(path, { mode })
    chmodSync(directory, mode | 0o700)
  }
}
