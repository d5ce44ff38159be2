import { chunkBytesMin } from '../chunk/chunker.ts'

/** At this size most files consist of a chunk or two. */
const inPlaceAboveDefault = 1024 * 1024

/** Which contents are kept in the folder alone. */
export interface InPlaceOptions {
  /**
   * The contents of files larger than this, in bytes, are kept in the folder alone; those of other files in the store as
   * well, so that their old versions stay readable. At least 128 KiB; `Infinity` for no file; 1 MiB when left out.
   */
  readonly inPlaceAbove?: number
}

/** The size above which files lie in place: smaller ones share blocks. */
export function inPlaceBytes(bytes: number = inPlaceAboveDefault): number {
  return Math.max(chunkBytesMin, bytes)
}
