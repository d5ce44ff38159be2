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

/** Somebody changed the path after the plan was made. */
export class ChangedMeanwhile extends Error {}

export interface PlacerInput {
  readonly parents: Parents
  readonly staging: Staging
  /** What stood at the paths when the plan was made. */
  readonly observed: ReadonlyMap<TreePath, Seen>
  /** Paths where what stands there is to be kept under another name. */
  readonly conflicts: ReadonlySet<TreePath>
  /** Keeps what is replaced or removed; nothing is kept when left out. */
  readonly keeping?: Keeping | undefined
}

export interface PlacerOptions {
  readonly host: string
  readonly now: () => Date
  readonly onConflict: (path: TreePath, keptAs: TreePath) => void
}

/**
 * Puts things into a folder, path by path, and takes things out. What stands at a path is looked at
 * before, but a user may change it in the very moment between a look and a deed. So nothing is ever
 * overwritten or deleted where it stands: what is new gets its name only where nothing has it; what is
 * replaced changes places with it at one instant; what goes is first taken aside. What has come out
 * that way is looked at again, where no name leads to it any more, and kept when it isn't what was seen.
 *
 * A program that holds the replaced file open and writes to it later still writes to what is gone.
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
   * Gives what was staged its path.
   *
   * @returns the signature under which the file there is what was staged, `''` when it has changed already
   * @throws {ChangedMeanwhile}, the system's error; then `staged` is still there
   */
  place(path: TreePath, staged: string): string {
    const made = lstatSync(staged)
    if (!this.#placeNew(path, staged)) {
      const before = this.#clear(path)
      if (before === undefined) this.#create(path, (at) => renameNew(staged, at))
      else this.#replace(path, staged, before)
    }
    reached('placed')
    const after = lstatSync(this.#parents.locate(path))
    return isSame(made, after) && after.isFile() ? signatureOf(after) : ''
  }

  /** Where nothing was, it needs no look: a name that something has by now isn't given. @returns whether it was */
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
   * The first half of a move: takes a file out of the folder.
   *
   * @returns where it is now, or `undefined` when there is nothing at `from` any more that could be moved
   */
  takeOut(from: TreePath): string | undefined {
    const stats = this.#parents.stat(from)
    if (stats === undefined || !this.#isStill(from, stats)) return undefined
    const taken = this.#take(from, stats)
    reached('taken-out')
    return taken
  }

  /**
   * The second half: gives what was taken out another path, and the entry's mode and time; or, when that
   * fails, its old path again.
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

  /** Removes what the log has dropped; a directory only when it is empty, else it becomes the user's own. */
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

  /** @returns the signature afterwards, `''` when the file has changed meanwhile */
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
   * Checks that what stands at a path is what the plan was made for, and sets a conflict aside.
   *
   * @returns what stands there afterwards
   */
  #clear(path: TreePath): Stats | undefined {
    const stats = this.#parents.stat(path)
    if (stats !== undefined && !isOfTree(stats)) throw new Error('A FIFO, socket or device is in the way. Move it away')
    if (!this.#isStill(path, stats)) throw new ChangedMeanwhile()
    if (stats === undefined || !this.#input.conflicts.has(path)) return stats
    this.#parents.within(path, (at, parent) => this.#keep(path, at, parent))
    return undefined
  }

  #create(path: TreePath, make: (at: string) => void): void {
    try {
      this.#parents.within(path, make)
    } catch (error) {
      if (systemCode(error) === 'EEXIST') throw new ChangedMeanwhile()
      throw error
    }
  }

  #replace(path: TreePath, staged: string, before: Stats): void {
    const aside = this.#staging.asidePath(path)
    renameSync(staged, aside)
    try {
      if (this.#exchange(path, aside)) {
        reached('exchanged')
        this.#discardOrUndo(path, aside, before)
      } else {
        // Where names can't be exchanged, what is there goes first; for a moment nothing is at the path.
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

  /** After an exchange, with what was replaced at `aside`. */
  #discardOrUndo(path: TreePath, aside: string, before: Stats): void {
    try {
      this.#discard(path, aside, before)
    } catch (error) {
      this.#exchange(path, aside)
      throw error
    }
  }

  /** Takes away what stands at a path, having seen `before` there. */
  #drop(path: TreePath, before: Stats): void {
    const taken = this.#take(path, before)
    try {
      this.#discard(path, taken, before)
    } catch (error) {
      this.#giveBack(path, taken)
      throw error
    }
  }

  /** @returns where it is now */
  #take(path: TreePath, before: Stats): string {
    const taken = this.#staging.asidePath(path)
    this.#parents.away(path, (at) => renameSync(at, taken))
    if (isSame(before, lstatSync(taken))) return taken
    this.#giveBack(path, taken)
    throw new ChangedMeanwhile()
  }

  /** Drops what has come out of a path, or keeps it when it isn't what was seen there. */
  #discard(path: TreePath, taken: string, before: Stats): void {
    if (isSame(before, lstatSync(taken))) {
      try {
        if (before.isDirectory()) rmdirSync(taken)
        else if (!this.#input.keeping?.take(path, taken)) unlinkSync(taken)
        return
      } catch (error) {
        if (!isNotEmpty(error)) throw error // The user's own files are in it.
      }
    }
    this.#parents.within(path, (_at, parent) => this.#keep(path, taken, parent))
  }

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

  /** Gives something of the user's the name of a conflict copy of `path`. */
  #keep(path: TreePath, at: string, parent: string): void {
    const name = preserveAs(at, parent, baseName(path), this.#options)
    reached('set-aside')
    this.#parents.release()
    this.#options.onConflict(path, childPath(parentPath(path), name))
  }

  /** Whether what stands at a path is still what it was when the plan was made. */
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

/** Whether two looks were at the same thing, unchanged. A rename changes the ctime, so it doesn't count. */
function isSame(before: Stats, after: Stats): boolean {
  if (before.isDirectory()) return after.isDirectory()
  return before.ino === after.ino && before.size === after.size && before.mtimeMs === after.mtimeMs
}

/** Whether it is of a kind that a tree can hold. */
function isOfTree(stats: Stats): boolean {
  return stats.isFile() || stats.isDirectory() || stats.isSymbolicLink()
}

function isNotEmpty(error: unknown): boolean {
  return systemCode(error) === 'ENOTEMPTY' || systemCode(error) === 'EEXIST'
}
