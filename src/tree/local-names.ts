import { hash } from 'node:crypto'
import { markedName } from './marked-name.ts'
import { ancestorsOf, baseName, childPath, parentPath, type TreePath } from './path.ts'

/** Two names of a log that a file system takes for one. */
export interface NameCollision {
  /** The one that gets another name. */
  readonly path: TreePath
  /** The one that keeps its own. */
  readonly other: TreePath
  /** Where the first is kept. */
  readonly keptAs: TreePath
}

/** Maps paths of a log to paths in a folder. */
export interface LocalNames {
  /** The path in the folder of a path of the log. */
  of(path: TreePath): TreePath
  /** Names that differ from the log's; beneath a renamed directory nothing else is listed. */
  readonly collisions: readonly NameCollision[]
}

/**
 * Gives each path of a log one of its own on a file system that takes some names for one. It depends on
 * nothing but the paths, so that it comes out the same at every pass and on every machine: of the names
 * in one directory that fold to one key, the first in the order of their bytes stays as it is; each of
 * the others is marked with a hash of itself.
 *
 * @param paths of the log; the directories above each are taken for paths too
 * @param fold a key that is equal for names that may be taken for one
 */
export function localNames(paths: Iterable<TreePath>, fold: (name: string) => string): LocalNames {
  const renamed = new Map<TreePath, string>()
  const collisions: (readonly [path: TreePath, other: TreePath])[] = []
  for (const [parent, byKey] of siblingsByKey(paths, fold)) {
    const taken = new Set(byKey.keys())
    for (const names of [...byKey.values()].filter(({ length }) => length > 1)) {
      const [first, ...others] = names.sort(byBytes) as [string, ...string[]]
      for (const name of others) {
        const path = childPath(parent, name)
        renamed.set(path, distinctName(name, taken, fold))
        collisions.push([path, childPath(parent, first)])
      }
    }
  }
  const known = new Map<TreePath, TreePath>()
  const of = (path: TreePath): TreePath => {
    if (renamed.size === 0) return path
    const parent = parentPath(path)
    const name = renamed.get(path) ?? baseName(path)
    if (parent === '') return name as TreePath
    let local = known.get(parent)
    if (local === undefined) {
      local = of(parent)
      known.set(parent, local)
    }
    return childPath(local, name)
  }
  return { of, collisions: collisions.map(([path, other]) => ({ path, other, keptAs: of(path) })) }
}

/** The names in each directory, by their keys. */
function siblingsByKey(
  paths: Iterable<TreePath>,
  fold: (name: string) => string
): Map<TreePath | '', Map<string, string[]>> {
  const directories = new Map<TreePath | '', Map<string, string[]>>()
  const added = new Set<TreePath>()
  const add = (path: TreePath) => {
    if (added.has(path)) return
    added.add(path)
    const parent = parentPath(path)
    const name = baseName(path)
    let byKey = directories.get(parent)
    if (byKey === undefined) {
      byKey = new Map()
      directories.set(parent, byKey)
    }
    const key = fold(name)
    const names = byKey.get(key)
    if (names === undefined) byKey.set(key, [name])
    else names.push(name)
  }
  for (const path of paths) {
    for (const above of ancestorsOf(path)) add(above)
    add(path)
  }
  return directories
}

/** A name made from `name` whose key is free; it is taken from here on. */
function distinctName(name: string, taken: Set<string>, fold: (name: string) => string): string {
  for (let attempt = 0; ; attempt++) {
    // Users may have files with such names; a longer hash differs from theirs.
    const digits = attempt === 0 ? hash('sha256', name).slice(0, 6) : hash('sha256', `${attempt}/${name}`).slice(0, 16)
    const distinct = markedName(name, `~${digits}`)
    const key = fold(distinct)
    if (taken.has(key)) continue
    taken.add(key)
    return distinct
  }
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

/** Finds names by any spelling that the file system takes for the same. */
export interface Names {
  /** The known spelling of `name` in the directory `parent`; `undefined` if there is none. */
  get(parent: TreePath | '', name: string): string | undefined
}

/** The names of some paths. */
export class NamesOf implements Names {
  readonly #directories: ReadonlyMap<TreePath | '', ReadonlyMap<string, readonly string[]>>
  readonly #fold: (name: string) => string

  constructor(paths: Iterable<TreePath>, fold: (name: string) => string) {
    this.#fold = fold
    this.#directories = siblingsByKey(paths, fold)
  }

  get(parent: TreePath | '', name: string): string | undefined {
    const names = this.#directories.get(parent)?.get(this.#fold(name))
    return names?.includes(name) ? name : names?.[0]
  }
}

/**
 * Maps paths on disk, or in records, to the wanted spelling: each name that isn't wanted, but taken for one that is,
 * becomes that one. Ask for parents first.
 */
export class Realigned {
  readonly #wanted: Names
  /** Directories that got another path; paths beneath follow. */
  readonly #moved = new Map<TreePath, TreePath>()

  constructor(wanted: Names) {
    this.#wanted = wanted
  }

  /**
   * The wanted path of `path`.
   *
   * @param isSame asked where a name would become another: whether both are the same thing in the folder,
   *   where all above is called as it is wanted by now
   */
  of(path: TreePath, isSame: (from: TreePath, to: TreePath) => boolean): TreePath {
    const above = parentPath(path)
    const parent = above === '' ? '' : this.#now(above)
    const name = baseName(path)
    const from = childPath(parent, name)
    const to = childPath(parent, this.#wanted.get(parent, name) ?? name)
    if (to === from || !isSame(from, to)) return from
    this.#moved.set(path, to)
    return to
  }

  #now(path: TreePath): TreePath {
    if (this.#moved.size === 0) return path
    const moved = this.#moved.get(path)
    if (moved !== undefined) return moved
    const above = parentPath(path)
    return above === '' ? path : childPath(this.#now(above), baseName(path))
  }
}
