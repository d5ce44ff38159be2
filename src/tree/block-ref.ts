/**
 * Names a block among all that a folder knows: each writer appends to a content core of its own. What works on one core alone
 * counts its blocks by their index.
 */
export interface BlockRef {
  /** Number of the content core in this folder. A folder with one writer has `firstCore` alone. */
  readonly core: number
  /** Index of the block in that core. */
  readonly index: number
}

/** The content core of a folder's first writer. */
export const firstCore = 0

/** Equal for equal references, and for no others. */
export function blockKey({ core, index }: BlockRef): string {
  return `${core}/${index}`
}
