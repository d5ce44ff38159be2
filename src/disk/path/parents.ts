import { chmodSync, lstatSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { systemCode } from '../../errors.ts'
import { permissionBits } from '../../tree/entry.ts'
import { baseName, parentPath, type TreePath } from '../../tree/path.ts'
import { Beneath } from './beneath.ts'

/** The directories in which a folder is changed: reaches them safely, and remembers what was done to them. */
export class Parents {
  /** Directories whose time, and mode where it was widened, is to be put right at the end. */
  readonly touched = new Map<TreePath, { readonly mode: number | undefined }>()
  readonly #root: string
  readonly #isOurs: (path: TreePath) => boolean
  readonly #beneath: Beneath
  /** Where things are taken from while they are put elsewhere: work goes directory by directory in both. */
  readonly #away: Beneath
  #dirty = new Set<string>()

  /** @param isOurs whether a directory's mode may be widened for the while that it is written to */
  constructor(root: string, isOurs: (path: TreePath) => boolean) {
    this.#root = root
    this.#isOurs = isOurs
    this.#beneath = new Beneath(root)
    this.#away = new Beneath(root)
  }

  /** Holds on to the directory that is the folder now; see `Beneath.pin`. */
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

  /** Acts on a path and its directory; where that is ours and not writable, it is made so for the while. */
  within(path: TreePath, act: (at: string, parent: string) => void): void {
    this.#within(this.#beneath, path, act)
  }

  /** The same for a path where something is taken away. */
  away(path: TreePath, act: (at: string) => void): void {
    this.#within(this.#away, path, act)
  }

  /** The time of the directory that held `path` has changed by our doing, and its own is of no matter any more. */
  wentFrom(path: TreePath): void {
    this.#note(parentPath(path))
    this.touched.delete(path)
  }

  /** The directories that have changed since the last call, by absolute path. */
  takeDirty(): ReadonlySet<string> {
    const dirty = this.#dirty
    this.#dirty = new Set()
    return dirty
  }

  #within(beneath: Beneath, path: TreePath, act: (at: string, parent: string) => void): void {
    const parent = parentPath(path)
    const directory = beneath.directory(parent)
    this.#note(parent)
    const at = `${directory}/${baseName(path)}`
    try {
      act(at, directory)
    } catch (error) {
      if (systemCode(error) !== 'EACCES' || parent === '' || !this.#isOurs(parent)) throw error
      this.#widen(parent, directory)
      act(at, directory)
    }
  }

  #note(parent: TreePath | ''): void {
    this.#dirty.add(join(this.#root, parent))
    if (parent !== '' && !this.touched.has(parent)) this.touched.set(parent, { mode: undefined })
  }

  #widen(path: TreePath, directory: string): void {
    const mode = lstatSync(`${directory}/.`).mode & permissionBits
    this.touched.set(path, { mode })
    chmodSync(directory, mode | 0o700)
  }
}
