import { SyncError } from '../errors.ts'
import type { DirectoryEntry, Entry } from './entry.ts'
import { matcherOf } from './ignore.ts'
import { ancestorsOf, isBeneath, type TreePath } from './path.ts'

/** Which part of a tree is wanted: patterns in gitignore's syntax. */
export interface Selection {
  /** Patterns of what to include, with everything beneath each match; the whole tree if there are none. */
  readonly only: readonly string[]
  /** Patterns of what to exclude, also from matches of `only`. */
  readonly exclude: readonly string[]
}

export const everything: Selection = { only: [], exclude: [] }

/** A part of any tree. */
export interface Part {
  readonly selection: Selection
  /** Whether the part is the whole tree. */
  readonly isAll: boolean
  /** Whether the patterns select an entry itself. The directories above it belong to the part all the same. */
  has(path: TreePath, type: Entry['type']): boolean
}

/** More patterns than this are a mistake; each is tried on each path. */
const patternsMax = 1000
const patternLengthMax = 4096

/** The part that a selection describes. @throws {SyncError} USAGE for an invalid pattern */
export function partOf({ only, exclude }: Selection): Part {
  const isOnly = matcherOf(rulesOf(only))
  const isExcluded = matcherOf(rulesOf(exclude))
  return {
    selection: { only, exclude },
    isAll: only.length === 0 && exclude.length === 0,
    has: (path, type) => {
      const kind = type === 'directory' ? 'directory' : 'other'
      if (only.length > 0 && !isOnly(path, kind)) return false
      return exclude.length === 0 || !isExcluded(path, kind)
    }
  }
}

export const wholePart = partOf(everything)

export function sameSelection(a: Selection, b: Selection): boolean {
  return JSON.stringify([a.only, a.exclude]) === JSON.stringify([b.only, b.exclude])
}

function rulesOf(patterns: readonly string[]): readonly string[] {
  if (patterns.length > patternsMax) throw new SyncError('USAGE', `More than ${patternsMax} patterns`)
  return patterns.map((pattern) => {
    const fault = patternFault(pattern)
    if (fault !== undefined) throw new SyncError('USAGE', `${JSON.stringify(pattern)} is not a pattern: ${fault}`)
    // Written as for the shell; in an ignore file it would match nothing.
    const rule = pattern.replace(/^(\.\/)+/, '/')
    // There are no comments here.
    return rule.startsWith('#') ? `\\${rule}` : rule
  })
}

function patternFault(pattern: string): string | undefined {
  if (pattern.trim() === '') return 'it is empty'
  if (pattern.length > patternLengthMax) return `it is longer than ${patternLengthMax} characters`
  if (/[\r\n\0]/.test(pattern)) return 'it has several lines'
  if (pattern.startsWith('!')) return 'it begins with "!". Use --exclude for unwanted paths'
  if (/^(\.?\/)*\.?$/.test(pattern)) return 'it stands for the folder itself'
  if (/^(\.?\/)*\.\.(\/|$)/.test(pattern)) return 'it leads out of the folder'
  if (/(^|[^\\])(\\\\)*\\$/.test(pattern)) return 'it ends in a backslash'
  return undefined
}

/** Gathers the part of a tree, entry by entry. Directories are kept aside until something beneath them is wanted. */
export class PartOfTree {
  readonly #part: Part
  readonly #entries = new Map<TreePath, Entry>()
  readonly #aside = new Map<TreePath, DirectoryEntry>()

  constructor(part: Part) {
    this.#part = part
  }

  /** @param accepts called with each entry that is selected itself */
  add(path: TreePath, entry: Entry, accepts: (path: TreePath, entry: Entry) => boolean): void {
    if (this.#part.isAll || this.#part.has(path, entry.type)) {
      if (accepts(path, entry)) this.#entries.set(path, entry)
    } else if (entry.type === 'directory') this.#aside.set(path, entry)
  }

  /** The gathered part; ends the gathering. */
  end(): Map<TreePath, Entry> {
    const found = this.#entries
    if (this.#aside.size === 0) return found
    for (const path of [...found.keys()]) {
      for (const above of ancestorsOf(path)) {
        const directory = this.#aside.get(above)
        if (directory !== undefined) found.set(above, directory)
      }
    }
    return found
  }
}

export interface PartChangesInput {
  /** The changes of the tree, each path once; `undefined` for removals. */
  readonly changes: AsyncIterable<readonly [TreePath, Entry | undefined]>
  readonly part: Part
  /** The part as it was before. */
  readonly before: { entry(path: TreePath): Entry | undefined; keys(): Iterable<TreePath> }
  /** Entries that were selected before, and aren't in `before`. */
  readonly pending: ReadonlyMap<TreePath, Entry | undefined>
  /** Called with each entry that is selected itself. */
  readonly accepts: (path: TreePath, entry: Entry) => boolean
  /** The entry of the tree at a path. */
  readonly entryAt: (path: TreePath) => Promise<Entry | undefined>
}

/** The changes of a part when its tree changes, with those still pending. */
export async function changesOfPart(input: PartChangesInput): Promise<Map<TreePath, Entry | undefined>> {
  const work = new PartChanges(input)
  for await (const [path, entry] of input.changes) work.add(path, entry)
  return work.end()
}

class PartChanges {
  readonly #input: PartChangesInput
  readonly #changes: Map<TreePath, Entry | undefined>
  /** Directories that belong to the part only if something beneath them does. */
  readonly #aside = new Map<TreePath, DirectoryEntry>()

  constructor(input: PartChangesInput) {
    this.#input = input
    this.#changes = new Map(input.pending)
  }

  add(path: TreePath, entry: Entry | undefined): void {
    const { part, accepts } = this.#input
    if (entry !== undefined && (part.isAll || part.has(path, entry.type))) {
      if (accepts(path, entry)) this.#changes.set(path, entry)
    } else if (entry?.type === 'directory') this.#aside.set(path, entry)
    else if (part.isAll || this.#isKnown(path)) this.#changes.set(path, undefined)
  }

  async end(): Promise<Map<TreePath, Entry | undefined>> {
    const changes = this.#changes
    if (this.#input.part.isAll) return changes
    for (const path of this.#aside.keys()) {
      // Before, the path held an entry that was selected itself, or is still pending.
      if (this.#isKnown(path) && this.#entry(path)?.type !== 'directory') changes.set(path, undefined)
    }
    const carrying = this.#above((path, entry) => entry !== undefined && !this.#isOnlyCarrier(path, entry))
    await this.#addCarriers(carrying)
    for (const path of this.#emptied(carrying)) changes.set(path, undefined)
    for (const [path, entry] of this.#aside) {
      if (carrying.has(path) || this.#entry(path)?.type === 'directory') changes.set(path, entry)
    }
    return changes
  }

  #entry(path: TreePath): Entry | undefined {
    return this.#changes.has(path) ? this.#changes.get(path) : this.#input.before.entry(path)
  }

  #isKnown(path: TreePath): boolean {
    return this.#changes.has(path) || this.#input.before.entry(path) !== undefined
  }

  /** Whether a directory belongs to the part only for its children. */
  #isOnlyCarrier(path: TreePath, { type }: Entry): boolean {
    return type === 'directory' && !this.#input.part.has(path, type)
  }

  /** The directories above those changes that count. */
  #above(counts: (path: TreePath, entry: Entry | undefined) => boolean): Set<TreePath> {
    const above = new Set<TreePath>()
    for (const [path, entry] of this.#changes) {
      if (counts(path, entry)) for (const directory of ancestorsOf(path)) above.add(directory)
    }
    return above
  }

  /** A directory may have existed before anything beneath it was selected. */
  async #addCarriers(carrying: ReadonlySet<TreePath>): Promise<void> {
    for (const path of carrying) {
      if (this.#aside.has(path) || this.#entry(path) !== undefined) continue
      const entry = await this.#input.entryAt(path)
      if (entry?.type === 'directory') this.#changes.set(path, entry)
    }
  }

  /** Directories beneath which nothing is selected any more. */
  #emptied(carrying: ReadonlySet<TreePath>): Iterable<TreePath> {
    const candidates = new Set<TreePath>()
    for (const path of this.#above((_, entry) => entry === undefined)) {
      const entry = this.#entry(path)
      if (entry !== undefined && !carrying.has(path) && this.#isOnlyCarrier(path, entry)) candidates.add(path)
    }
    if (candidates.size === 0) return candidates
    // A directory that isn't a candidate, but there only for its children, has some beneath it.
    const tops = topmost(candidates)
    for (const path of this.#input.before.keys()) {
      if (candidates.size === 0) break
      if (!tops.some((top) => isBeneath(path, top)) || candidates.has(path)) continue
      if (this.#entry(path) !== undefined) for (const above of ancestorsOf(path)) candidates.delete(above)
    }
    return candidates
  }
}

/** The topmost of the paths: those with none of the others above them. */
function topmost(paths: ReadonlySet<TreePath>): readonly TreePath[] {
  return [...paths].filter((path) => {
    for (const above of ancestorsOf(path)) if (paths.has(above)) return false
    return true
  })
}
