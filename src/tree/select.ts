import { SyncError } from '../errors.ts'
import type { DirectoryEntry, Entry } from './entry.ts'
import { matcherOf } from './ignore.ts'
import { ancestorsOf, isBeneath, type TreePath } from './path.ts'

/** Which part of a tree is wanted: patterns in gitignore's syntax. */
export interface Selection {
  /** What is wanted: what one of them matches, and all beneath it. All of the tree where there is none. */
  readonly only: readonly string[]
  /** What isn't, whatever `only` says. */
  readonly exclude: readonly string[]
}

export const everything: Selection = { only: [], exclude: [] }

/** A part of any tree. */
export interface Part {
  readonly selection: Selection
  /** Whether it is all of it. */
  readonly isAll: boolean
  /** Whether an entry is wanted for itself. A directory above one that is belongs to the part all the same. */
  has(path: TreePath, type: Entry['type']): boolean
}

/** More patterns than this are a mistake; each is tried on each path. */
const patternsMax = 1000
const patternLengthMax = 4096

/** The part that a selection describes. @throws {SyncError} USAGE for a pattern that is none */
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
    if (fault !== undefined) throw new SyncError('USAGE', `${JSON.stringify(pattern)} is no pattern: ${fault}`)
    // Typed with the shell in mind; in an ignore file it would match nothing.
    const rule = pattern.replace(/^(\.\/)+/, '/')
    // There are no comments here.
    return rule.startsWith('#') ? `\\${rule}` : rule
  })
}

function patternFault(pattern: string): string | undefined {
  if (pattern.trim() === '') return 'it is empty'
  if (pattern.length > patternLengthMax) return `it is longer than ${patternLengthMax} characters`
  if (/[\r\n\0]/.test(pattern)) return 'it is of several lines'
  if (pattern.startsWith('!')) return 'it begins with "!". Give what is not wanted as --exclude'
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

  /** @param accepts asked of what is wanted for itself */
  add(path: TreePath, entry: Entry, accepts: (path: TreePath, entry: Entry) => boolean): void {
    if (this.#part.isAll || this.#part.has(path, entry.type)) {
      if (accepts(path, entry)) this.#entries.set(path, entry)
    } else if (entry.type === 'directory') this.#aside.set(path, entry)
  }

  /** All that was gathered; ends it. */
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
  /** What has changed of the tree, each path once; `undefined` where it was removed. */
  readonly changes: AsyncIterable<readonly [TreePath, Entry | undefined]>
  readonly part: Part
  /** The part as it was before. */
  readonly before: { entry(path: TreePath): Entry | undefined; keys(): Iterable<TreePath> }
  /** What was wanted already, and isn't in `before`. */
  readonly owed: ReadonlyMap<TreePath, Entry | undefined>
  /** Asked of what is wanted for itself. */
  readonly accepts: (path: TreePath, entry: Entry) => boolean
  /** What the tree has at a path now. */
  readonly entryAt: (path: TreePath) => Promise<Entry | undefined>
}

/** What changes of a part when its tree changes, with what is owed. */
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
    this.#changes = new Map(input.owed)
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
      // It was something else before, which was wanted for itself, or is owed still.
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

  /** Whether an entry is there only for what is beneath it. */
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

  /** A directory may have been there before anything beneath it was wanted. */
  async #addCarriers(carrying: ReadonlySet<TreePath>): Promise<void> {
    for (const path of carrying) {
      if (this.#aside.has(path) || this.#entry(path) !== undefined) continue
      const entry = await this.#input.entryAt(path)
      if (entry?.type === 'directory') this.#changes.set(path, entry)
    }
  }

  /** Directories beneath which nothing is wanted any more. */
  #emptied(carrying: ReadonlySet<TreePath>): Iterable<TreePath> {
    const candidates = new Set<TreePath>()
    for (const path of this.#above((_, entry) => entry === undefined)) {
      const entry = this.#entry(path)
      if (entry !== undefined && !carrying.has(path) && this.#isOnlyCarrier(path, entry)) candidates.add(path)
    }
    if (candidates.size === 0) return candidates
    // A directory that is no candidate, but there only for others, has those beneath it too.
    const tops = topmost(candidates)
    for (const path of this.#input.before.keys()) {
      if (candidates.size === 0) break
      if (!tops.some((top) => isBeneath(path, top)) || candidates.has(path)) continue
      if (this.#entry(path) !== undefined) for (const above of ancestorsOf(path)) candidates.delete(above)
    }
    return candidates
  }
}

/** Those of the paths above which there is none of them. */
function topmost(paths: ReadonlySet<TreePath>): readonly TreePath[] {
  return [...paths].filter((path) => {
    for (const above of ancestorsOf(path)) if (paths.has(above)) return false
    return true
  })
}
