import type { Version } from '../../tree/tree.ts'

/** What is to be kept: what the tree names at a length of the entries core, and all that was put since, up to a version. */
export interface Kept {
  /** `headerLength` keeps all that was ever put. */
  readonly since: number
  readonly newest: Version
}
