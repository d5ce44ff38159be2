import { isUtf8 } from 'node:buffer'
import { lstatSync, readdirSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { messageOf, SyncError } from '../../errors.ts'
import type { Scan, Seen, SeenDirectory, Unchanged } from '../../tree/diff.ts'
import { beneathAny } from '../../tree/diff.ts'
import { foldName } from '../../tree/file-system.ts'
import type { IgnoreRules } from '../../tree/ignore.ts'
import type { TreePath } from '../../tree/path.ts'
import { baseName, childPath, parentPath, pathFault, stateDirectoryName } from '../../tree/path.ts'
import type { Problem } from '../../tree/tree.ts'
import { Beneath, isAbsence } from '../path/beneath.ts'
import { mountedMark, seeAt } from './seen.ts'

/** `shallow`: a path itself and, for a directory, its children. `deep`: everything beneath it too. */
export type Depth = 'shallow' | 'deep'

export interface ScanOptions {
  /** The paths to scan; the whole folder if absent. */
  readonly dirty?: ReadonlyMap<TreePath, Depth>
  /** Whether an earlier scan covered this directory; others are always scanned deeply. */
  readonly isKnown?: (path: TreePath, signature: string) => boolean
  /** Whether a directory was a mount point in an earlier scan. */
  readonly wasMounted?: (path: TreePath) => boolean
  /** Records unchanged files, which then take no memory in the scan; for scans of the whole folder only. */
  readonly unchanged?: Unchanged | undefined
  /**
   * Called before a directory is listed: the scan may miss children that appear from then on.
   *
   * @param at a name by which it can be reached during the call
   * @param identity differs from that of any other directory that stood at its path
   */
  readonly onDirectory?: (path: TreePath | '', at: string, identity: string) => void
  /** Called first with a name of the directory; throws unless it is the folder. */
  readonly guard?: (at: string) => void
  readonly rules?: IgnoreRules
  readonly onProblem?: (problem: Problem) => void
  /** Called now and then with the number of paths seen so far. */
  readonly onProgress?: (paths: number) => void
  readonly signal?: AbortSignal
}

/** Every folder has a state directory: if it is found by this name too, the file system folds names. */
const otherCase = stateDirectoryName.toUpperCase()
/** Folds all names that any file system may treat as equal. */
const foldsAll = { foldsCase: true, foldsUnicode: 'compatible' } as const

/** The number of paths after which the event loop gets a turn: about 5 ms of work. */
const pathsPerTurn = 1000

/**
 * Scans a folder, or its dirty parts, without reading files. It holds the folder's directory to the end, so that a disk
 * that disappears meanwhile makes the folder unreadable rather than empty.
 *
 * @throws {SyncError} HALTED if the folder itself can't be listed; any error of the guard
 */
export async function scanFolder(root: string, options: ScanOptions = {}): Promise<Scan> {
  const walk = new Walk(root, options)
  try {
    walk.beneath.pin(options.guard)
    if (options.dirty === undefined) await walk.whole()
    else await walk.parts(options.dirty)
  } catch (error) {
    if (!isAbsence(error)) throw error
    throw new SyncError('HALTED', `Can't find ${root} any more`, { cause: error })
  } finally {
    walk.beneath.close()
  }
  return walk.result()
}

class Walk {
  readonly beneath: Beneath
  readonly #options: ScanOptions
  readonly #seen = new Map<TreePath, Seen>()
  readonly #unchanged: Unchanged | undefined
  #unchangedFiles = 0
  readonly #unreadable = new Set<TreePath>()
  /** The covered parts: single paths, listings and subtrees; everything if undefined. */
  #roots: { readonly single: Set<TreePath>; readonly listed: Set<TreePath>; readonly deep: Set<TreePath> } | undefined
  #sinceTurn = 0
  readonly #listings = new Map<TreePath | '', ReadonlySet<string>>()
  /** Whether the folder's file system treats some names as equal. */
  #foldsNames: boolean | undefined
  /** The file system of the folder itself. */
  #device: number | undefined

  constructor(root: string, options: ScanOptions) {
    this.beneath = new Beneath(root)
    this.#options = options
    // The coverage of a partial scan is computed from all states seen.
    this.#unchanged = options.dirty === undefined ? options.unchanged : undefined
  }

  async whole(): Promise<void> {
    try {
      await this.#listAll('')
    } catch (error) {
      this.#options.signal?.throwIfAborted()
      throw new SyncError('HALTED', `Can't list ${this.beneath.root}: ${messageOf(error)}`, { cause: error })
    }
  }

  async parts(dirty: ReadonlyMap<TreePath, Depth>): Promise<void> {
    this.#roots = { single: new Set(), listed: new Set(), deep: new Set() }
    for (const path of [...dirty.keys()].sort()) {
      const isListed = this.#roots.listed.has(path) || this.#roots.deep.has(path)
      if (this.#seen.has(path) && (isListed || this.#seen.get(path)?.type !== 'directory')) continue
      await this.#part(path, dirty.get(path) ?? 'shallow')
    }
    // A change in a directory changes its time too: both belong in one version.
    for (const path of dirty.keys()) {
      const parent = parentPath(path)
      if (parent !== '' && !this.#seen.has(parent)) this.#self(parent)
    }
  }

  async #part(path: TreePath, depth: Depth): Promise<void> {
    if (pathFault(path) !== undefined || this.#self(path) !== 'directory') return
    if (depth === 'deep' || !this.#isKnown(path)) await this.#subtree(path)
    else {
      this.#roots?.listed.add(path)
      for (const child of this.#list(path)) if (!this.#isKnown(child)) await this.#subtree(child)
    }
  }

  /** Examines one path, without its children. */
  #self(path: TreePath): Seen['type'] | undefined {
    this.#roots?.single.add(path)
    try {
      const listed = this.beneath.stat(path) === undefined ? undefined : this.#listedAs(path)
      if (listed === path) return this.#look(path, this.beneath.locate(path))
      // The name is an alias of another one, for which there may have been no notification.
      if (listed !== undefined && !this.#seen.has(listed)) this.#self(listed)
    } catch (error) {
      this.#fail(path, error)
    }
    return undefined
  }

  /** The path that a walk lists for the file at `path`: if the file system folds names, they may differ. */
  #listedAs(path: TreePath): TreePath | undefined {
    this.#foldsNames ??= lstatSync(`${this.beneath.root}/${otherCase}`, { throwIfNoEntry: false }) !== undefined
    if (!this.#foldsNames) return path
    const parent = parentPath(path)
    const listedParent = parent === '' ? '' : this.#listedAs(parent)
    if (listedParent === undefined) return undefined
    const names = this.#namesIn(listedParent)
    const name = baseName(path)
    if (names.has(name)) return childPath(listedParent, name)
    const key = foldName(name, foldsAll)
    for (const other of names) if (foldName(other, foldsAll) === key) return childPath(listedParent, other)
    return undefined
  }

  /** The names in a directory, cached until the next turn. */
  #namesIn(directory: TreePath | ''): ReadonlySet<string> {
    let names = this.#listings.get(directory)
    if (names === undefined) {
      names = new Set(readdirSync(this.beneath.directory(directory)))
      this.#listings.set(directory, names)
    }
    return names
  }

  async #subtree(path: TreePath): Promise<void> {
    this.#roots?.deep.add(path)
    await this.#listAll(path)
  }

  #isKnown(path: TreePath): boolean {
    const seen = this.#seen.get(path)
    return seen?.type === 'directory' && (this.#options.isKnown?.(path, seen.signature) ?? true)
  }

  /** Lists `top` and every directory beneath it. */
  async #listAll(top: TreePath | ''): Promise<void> {
    const todo: (TreePath | '')[] = [top]
    for (let path = todo.pop(); path !== undefined; path = todo.pop()) {
      for (const directory of this.#list(path)) todo.push(directory)
      if (this.#sinceTurn >= pathsPerTurn) await this.#turn()
    }
  }

  /** Examines each child of a directory. @returns those that are directories */
  #list(path: TreePath | ''): TreePath[] {
    const directories: TreePath[] = []
    let names: string[]
    let at: string
    try {
      at = this.beneath.directory(path)
      this.#tell(path, at)
      names = this.#names(path, at)
    } catch (error) {
      if (path === '') throw error
      this.#fail(path, error)
      return directories
    }
    for (const name of names) {
      const child = childPath(path, name)
      const fault = pathFault(child)
      if (fault !== undefined) {
        this.#problem(child, `Left out: ${fault}`)
        continue
      }
      try {
        if (this.#look(child, `${at}/${name}`) === 'directory') directories.push(child)
      } catch (error) {
        if (!isAbsence(error)) this.#fail(child, error)
      }
    }
    // The walk pops the last one first: reversed, so that it goes in the order of names.
    return directories.reverse()
  }

  #tell(path: TreePath | '', at: string): void {
    const { onDirectory } = this.#options
    if (onDirectory === undefined) return
    const seen = path === '' ? undefined : this.#seen.get(path)
    onDirectory(path, at, seen?.type === 'directory' ? seen.signature : '')
  }

  #names(path: TreePath | '', at: string): string[] {
    const names = readdirSync(at)
    const own = names.indexOf(stateDirectoryName)
    if (own !== -1) names.splice(own, 1)
    if (!names.some((name) => name.includes('\uFFFD'))) return names.sort()
    // Either that character itself or bytes that aren't UTF-8: only the bytes can tell.
    const texts: string[] = []
    for (const bytes of readdirSync(at, { encoding: 'buffer' })) {
      if (isUtf8(bytes)) texts.push(bytes.toString())
      else
        this.#problem(
          `${path === '' ? '' : `${path}/`}${bytes.toString('latin1')}`,
          'Left out: a name that is not UTF-8'
        )
    }
    return texts.filter((name) => name !== stateDirectoryName).sort()
  }

  #look(path: TreePath, at: string): Seen['type'] | undefined {
    const stats = lstatSync(at)
    this.#sinceTurn++
    const { rules } = this.#options
    if (rules?.ignores(path, stats.isDirectory() ? 'directory' : 'other')) return undefined
    const seen = seeAt(at, stats)
    if (typeof seen === 'string') {
      this.#problem(path, `Left out: a ${seen}`)
      return undefined
    }
    if (seen.type === 'directory') return this.#lookAtDirectory(path, seen, stats.dev)
    const isUnchanged = seen.type === 'file' && this.#unchanged?.note(path, seen.signature) === true
    if (isUnchanged) this.#unchangedFiles++
    else this.#seen.set(path, seen)
    return seen.type
  }

  /** The absence of a disk that was mounted here doesn't mean that its files were deleted. */
  #lookAtDirectory(path: TreePath, seen: SeenDirectory, device: number): 'directory' | undefined {
    this.#device ??= lstatSync(`${this.beneath.directory('')}/.`).dev
    const mounted = device !== this.#device
    if (!mounted && this.#options.wasMounted?.(path)) {
      this.#unreadable.add(path)
      this.#problem(
        path,
        "A disk was mounted here and isn't any more. What is recorded of it stays. If that is meant, remove the directory"
      )
      return undefined
    }
    this.#seen.set(path, mounted ? { ...seen, signature: seen.signature + mountedMark } : seen)
    return seen.type
  }

  #fail(path: TreePath, error: unknown): void {
    if (isAbsence(error)) return // It was removed during the scan.
    this.#unreadable.add(path)
    this.#problem(path, `Can't be read: ${messageOf(error)}. What is recorded of it stays`)
  }

  #problem(path: string, message: string): void {
    this.#options.onProblem?.({ path, action: 'scan', message })
  }

  async #turn(): Promise<void> {
    this.#sinceTurn = 0
    // During a turn anything may move, so nothing stays open or cached across it.
    this.beneath.release()
    this.#listings.clear()
    this.#options.onProgress?.(this.#seen.size + this.#unchangedFiles)
    await nextTurn()
    this.#options.signal?.throwIfAborted()
  }

  result(): Scan {
    const roots = this.#roots
    const beneathDeep = roots && beneathAny(roots.deep)
    const seen = this.#seen
    const beneathUnreadable = beneathAny(this.#unreadable)
    const { rules } = this.#options
    const unchanged = this.#unchanged
    const isSingle = roots !== undefined && roots.listed.size === 0 && roots.deep.size === 0
    return {
      seen,
      saw: (path) => seen.has(path) || (unchanged?.has(path) ?? false),
      only: isSingle ? roots.single : undefined,
      covers(path) {
        if (roots === undefined || beneathDeep?.(path) || roots.single.has(path)) return true
        const parent = parentPath(path)
        if (parent === '') return false
        // The children of a directory that was removed or replaced are gone with it.
        return roots.listed.has(parent) || (this.covers(parent) && seen.get(parent)?.type !== 'directory')
      },
      frozen(path, type) {
        if (beneathUnreadable(path)) return true
        return rules?.ignores(path, type === 'directory' ? 'directory' : 'other') ?? false
      },
      unreadable: this.#unreadable
    }
  }
}
