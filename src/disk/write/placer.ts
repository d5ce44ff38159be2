import { lstatSync, mkdirSync, readlinkSync, renameSync, rmdirSync, type Stats, unlinkSync } from 'node:fs'
import { systemCode } from '../../errors.ts'
import { reached } from '../../failpoints.ts'
import type { Seen } from '../../tree/diff.ts'
import type { Entry, FileEntry } from '../../tree/entry.ts'
import { baseName, childPath, parentPath, type TreePath } from '../../tree/path.ts'
import { setMetadata } from '../path/metadata.ts'
import type { Parents } from '../path/parents.ts'
import { exchange, renameNew } from '../path/rename.ts'
import { signatureOf } from '../read/seen.ts'
import type { Keeping } from './kept-directory.ts'
import { preserveAs } from './preserve.ts'
import type { Staging } from './stage.ts'

/** Thrown when the user changed a path after the plan was made. */
export class ChangedMeanwhile extends Error {}

export interface PlacerInput {
  readonly parents: Parents
  readonly staging: Staging
  /** The local state of the paths when the plan was made. */
  readonly observed: ReadonlyMap<TreePath, Seen>
  /** Paths whose local content must be kept under a conflict name. */
  readonly conflicts: ReadonlySet<TreePath>
  /** Keeps replaced and removed files; without it none are kept. */
  readonly keeping?: Keeping | undefined
}

export interface PlacerOptions {
  readonly host: string
  readonly now: () => Date
  readonly onConflict: (path: TreePath, keptAs: TreePath) => void
}

/**
 * Puts files into a folder and takes files out, path by path. It checks each path first, but a user may change it between
 * the check and the action. So it never overwrites or deletes anything in place: a new file gets its name only if the
 * name is free; a replaced file exchanges names with the new one atomically; a removed file first moves aside. There,
 * where the user has no name for it any more, it is checked again and kept unless it is the file of the first check.
 *
 * Only a file or symlink that matched the log at the first check moves aside. The user's own content stays in sight: one
 * rename moves it from its path to its conflict name.
 *
 * A program that holds a replaced file open and writes to it later still writes to the removed file.
 */
export class Placer {
  readonly #parents: Parents
  readonly #staging: Staging
  readonly #input: PlacerInput
  readonly #options: PlacerOptions

  constructor(input: PlacerInput, options: PlacerOptions) {
    this.#parents = input.parents
    this.#staging = input.staging
    this.#input = input
    this.#options = options
  }

  /**
   * Moves a staged file or symlink to its path.
   *
   * @returns the signature of the file there; `''` if it isn't a file or has changed already
   * @throws {ChangedMeanwhile}, the system's error; then `staged` is still there
   */
  place(path: TreePath, staged: string): string {
    const made = lstatSync(staged)
    if (!this.#placeNew(path, staged)) {
      const before = this.#clear(path)
      if (before === undefined || before.isDirectory()) {
        if (before !== undefined) this.#removeOrKeep(path)
        this.#create(path, (at) => renameNew(staged, at))
      } else this.#replace(path, staged, before)
    }
    reached('placed')
    const after = lstatSync(this.#parents.locate(path))
    return isSame(made, after) && after.isFile() ? signatureOf(after) : ''
  }

  /** Takes a path where nothing was, without a check: fails if the name is taken by now. @returns whether it succeeded */
  #placeNew(path: TreePath, staged: string): boolean {
    if (this.#input.observed.has(path)) return false
    try {
      this.#parents.within(path, (at) => renameNew(staged, at))
      return true
    } catch (error) {
      if (systemCode(error) === 'EEXIST') return false
      throw error
    }
  }

  makeDirectory(path: TreePath): void {
    const stats = this.#clear(path)
    if (stats?.isDirectory()) return
    if (stats !== undefined) this.#drop(path, stats)
    this.#create(path, (at) => mkdirSync(at, 0o700))
    reached('directory-made')
  }

  /**
   * The first half of a move: moves a file out of the folder.
   *
   * @returns its present path; `undefined` if the file at `from` is gone or has changed
   */
  takeOut(from: TreePath): string | undefined {
    const stats = this.#parents.stat(from)
    if (stats === undefined || !this.#isStill(from, stats)) return undefined
    const taken = this.#take(from, stats)
    reached('taken-out')
    return taken
  }

  /**
   * The second half of a move: sets the entry's mode and time and moves the file to its new path or, if that fails, back
   * to its old one.
   *
   * @returns its signature, as `place` does
   */
  putIn(path: TreePath, taken: string, from: TreePath, entry: FileEntry): string {
    try {
      setMetadata(taken, entry)
      const signature = this.place(path, taken)
      reached('moved')
      return signature
    } catch (error) {
      this.#giveBack(from, taken)
      throw error
    }
  }

  /** Removes a path that the log has removed. A directory that isn't empty stays and becomes the user's own. */
  remove(path: TreePath, entry: Entry): void {
    const stats = this.#parents.stat(path)
    if (stats === undefined) return
    if (!this.#isStill(path, stats)) throw new ChangedMeanwhile()
    if (!stats.isDirectory()) this.#drop(path, stats)
    else if (entry.type === 'directory') {
      try {
        this.#parents.within(path, (at) => rmdirSync(at))
      } catch (error) {
        if (!isNotEmpty(error)) throw error
      }
      this.#parents.release()
    }
    reached('removed')
  }

  /** @returns the signature afterwards; `''` if the file has changed meanwhile @throws {ChangedMeanwhile} */
  setMetadata(path: TreePath, entry: Entry): string {
    const at = this.#parents.locate(path)
    const before = lstatSync(at)
    if (!this.#isStill(path, before)) throw new ChangedMeanwhile()
    setMetadata(at, entry)
    reached('metadata-set')
    const after = lstatSync(at)
    return after.isFile() && after.ino === before.ino && after.size === before.size ? signatureOf(after) : ''
  }

  /**
   * Checks that a path is as the plan expects it, and renames a conflicting file.
   *
   * @returns the stats of the path afterwards; `undefined` if nothing is there
   */
  #clear(path: TreePath): Stats | undefined {
    const stats = this.#parents.stat(path)
    if (stats !== undefined && !isOfTree(stats)) throw new Error('A FIFO, socket or device is in the way. Move it away')
    if (!this.#isStill(path, stats)) throw new ChangedMeanwhile()
    if (stats === undefined || !this.#input.conflicts.has(path)) return stats
    this.#parents.within(path, (at, parent) => this.#keep(path, at, parent))
    return undefined
  }

  /**
   * Frees the path of a directory: removes it if it is empty. Else it holds content of the user's, which must stay in
   * sight at every moment, so one rename gives the directory a conflict name. For a moment nothing is at the path.
   */
  #removeOrKeep(path: TreePath): void {
    this.#parents.within(path, (at, parent) => {
      try {
        rmdirSync(at)
      } catch (error) {
        if (systemCode(error) === 'ENOTDIR' || systemCode(error) === 'ENOENT') throw new ChangedMeanwhile()
        if (!isNotEmpty(error)) throw error
        this.#keep(path, at, parent)
      }
    })
    this.#parents.release()
  }

  #create(path: TreePath, make: (at: string) => void): void {
    try {
      this.#parents.within(path, make)
    } catch (error) {
      if (systemCode(error) === 'EEXIST') throw new ChangedMeanwhile()
      throw error
    }
  }

  /** Replaces a file or symlink of the log's by a staged one. */
  #replace(path: TreePath, staged: string, before: Stats): void {
    const aside = this.#staging.asidePath(path)
    renameSync(staged, aside)
    try {
      if (this.#exchange(path, aside)) {
        reached('exchanged')
        this.#discardOrUndo(path, aside, before)
      } else {
        // Without an exchange the old file is removed first: for a moment nothing is at the path.
        this.#drop(path, before)
        this.#create(path, (at) => renameNew(aside, at))
      }
    } catch (error) {
      renameSync(aside, staged)
      throw error
    }
    this.#parents.release()
  }

  #exchange(path: TreePath, aside: string): boolean {
    let exchanged = false
    this.#parents.within(path, (at) => {
      exchanged = exchange(aside, at)
    })
    return exchanged
  }

  /** Discards the replaced file, at `aside` after an exchange; exchanges again if that fails. */
  #discardOrUndo(path: TreePath, aside: string, before: Stats): void {
    try {
      this.#discard(path, aside, before)
    } catch (error) {
      this.#exchange(path, aside)
      throw error
    }
  }

  /** Removes the file that was seen at a path as `before`. */
  #drop(path: TreePath, before: Stats): void {
    const taken = this.#take(path, before)
    try {
      this.#discard(path, taken, before)
    } catch (error) {
      this.#giveBack(path, taken)
      throw error
    }
  }

  /** Moves the file that was seen at a path as `before` aside. @returns its new path @throws {ChangedMeanwhile} */
  #take(path: TreePath, before: Stats): string {
    const taken = this.#staging.asidePath(path)
    this.#parents.away(path, (at) => renameSync(at, taken))
    if (isSame(before, lstatSync(taken))) return taken
    this.#giveBack(path, taken)
    throw new ChangedMeanwhile()
  }

  /** Deletes or retains a file taken from a path; gives it a conflict name if it isn't the file seen as `before`. */
  #discard(path: TreePath, taken: string, before: Stats): void {
    if (!isSame(before, lstatSync(taken))) {
      this.#parents.within(path, (_at, parent) => this.#keep(path, taken, parent))
    } else if (!this.#input.keeping?.take(path, taken)) unlinkSync(taken)
  }

  /** Moves a file that was taken aside back to its path, or to a conflict name if the path is taken. */
  #giveBack(path: TreePath, taken: string): void {
    this.#parents.within(path, (at, parent) => {
      try {
        if (lstatSync(taken).isDirectory()) renameSync(taken, at)
        else renameNew(taken, at)
      } catch (error) {
        if (systemCode(error) !== 'EEXIST' && !isNotEmpty(error)) throw error
        this.#keep(path, taken, parent)
      }
    })
  }

  /** Renames content of the user's to a conflict name of `path`. */
  #keep(path: TreePath, at: string, parent: string): void {
    const name = preserveAs(at, parent, baseName(path), this.#options)
    reached('set-aside')
    this.#parents.release()
    this.#options.onConflict(path, childPath(parentPath(path), name))
  }

  /** Whether a path is still as it was when the plan was made. */
  #isStill(path: TreePath, stats: Stats | undefined): boolean {
    const expected = this.#input.observed.get(path)
    if (expected === undefined || stats === undefined) return expected === stats
    if (expected.type === 'directory') return stats.isDirectory()
    if (expected.type === 'symlink') {
      return stats.isSymbolicLink() && readlinkSync(this.#parents.locate(path)) === expected.target
    }
    return stats.isFile() && signatureOf(stats) === expected.signature
  }
}

/** Whether two stats are of the same unchanged file or symlink. The ctime doesn't count, since a rename changes it. */
function isSame(before: Stats, after: Stats): boolean {
  return before.ino === after.ino && before.size === after.size && before.mtimeMs === after.mtimeMs
}

/** Whether it is a file, directory or symlink, the kinds that a tree can hold. */
function isOfTree(stats: Stats): boolean {
  return stats.isFile() || stats.isDirectory() || stats.isSymbolicLink()
}

function isNotEmpty(error: unknown): boolean {
  return systemCode(error) === 'ENOTEMPTY' || systemCode(error) === 'EEXIST'
}
