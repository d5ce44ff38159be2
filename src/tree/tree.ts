import type { Entry } from './entry.ts'
import type { TreePath } from './path.ts'

/** All entries of a folder, by path. Directories have entries of their own; the folder itself has none. */
export type Tree = ReadonlyMap<TreePath, Entry>

/** A tree that is read path by path: it needn't be in memory as a whole. */
export interface TreeView {
  get(path: TreePath): Entry | undefined
}

/** One path with its entry before and after; at least one of the two is there. */
export interface Change {
  readonly path: TreePath
  readonly before: Entry | undefined
  readonly after: Entry | undefined
}

/** A state of a log: the length of its entries core at the end of a batch, and that core's fork. */
export interface Version {
  readonly fork: number
  readonly length: number
}

/** Whether two versions are the same state of the same log. */
export function sameVersion(a: Version | undefined, b: Version | undefined): boolean {
  return a?.fork === b?.fork && a?.length === b?.length
}

/** Whether version `a` came before `b`: in an earlier fork, or earlier in the same. */
export function isEarlier(a: Version, b: Version): boolean {
  return a.fork < b.fork || (a.fork === b.fork && a.length < b.length)
}

/** Whether changes alone can have made `version` out of `earlier`. */
export function isAhead(version: Version, earlier: Version | undefined): boolean {
  return earlier?.fork === version.fork && !isEarlier(version, earlier)
}

/** A failure at one path. The run goes on without it. */
export interface Problem {
  readonly path: string
  /** The action that failed: `scan`, `read`, `watch`, `fetch`, `write`, `remove`, `log`. */
  readonly action: 'scan' | 'read' | 'watch' | 'fetch' | 'write' | 'remove' | 'log'
  /** The message, for people. */
  readonly message: string
}
