import type Hypercore from 'hypercore'
import type { BlockPlaces } from '../hypercore/block-places.ts'
import type { RelocationTable } from './relocations.ts'

/** The contents of a log. */
export interface LogContent {
  readonly core: Hypercore
  /** Which blocks lie in files of the folder. */
  readonly places: BlockPlaces
  /** Where the contents of cleared packs are. */
  readonly relocations: RelocationTable
}
