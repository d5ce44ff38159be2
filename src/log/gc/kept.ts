import type { Version } from '../../tree/tree.ts'

/**
 * What a garbage collection keeps: blocks that the tree names at a length of the entries core, and those that were put
 * since, up to a version.
 */
export interface Kept {
  /** `headerLength` keeps every block that was ever named. */
  readonly since: number
  readonly newest: Version
}
