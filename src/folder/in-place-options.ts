import { chunkBytesMin } from '../chunk/chunker.ts'

/** What is in place by default: with a chunk or two in a file, most of it is. */
const inPlaceAboveDefault = 1024 * 1024

/** Which contents are kept in the folder alone. */
export interface InPlaceOptions {
  /**
   * The contents of files larger than this, in bytes, are kept in the folder alone; those of others in the store as
   * well, where old versions stay readable. At least 128 KiB; `Infinity` for none; 1 MiB when left out.
   */
  readonly inPlaceAbove?: number
}

/** Smaller files share blocks, so they can't lie in place. */
export function inPlaceBytes(bytes: number = inPlaceAboveDefault): number {
  return Math.max(chunkBytesMin, bytes)
}
