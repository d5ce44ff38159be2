import type { Entry } from '../tree/entry.ts'

/** Counts of a tree's entries and bytes. */
export class Totals {
  files = 0
  directories = 0
  symlinks = 0
  /** Bytes of all files' content. */
  bytes = 0
  /** Extents of all files beyond the first of each. */
  extents = 0

  /** Replaces one path's entry in the counts. */
  replace(before: Entry | undefined, after: Entry | undefined): void {
    this.#count(before, -1)
    this.#count(after, 1)
  }

  #count(entry: Entry | undefined, by: 1 | -1): void {
    if (entry?.type === 'directory') this.directories += by
    else if (entry?.type === 'symlink') this.symlinks += by
    else if (entry?.type === 'file') {
      this.files += by
      this.bytes += by * entry.size
      this.extents += by * extentsBeyondOne(entry)
    }
  }
}

/** The extents of an entry beyond the first. Nearly every file has one; further ones take extra memory. */
export function extentsBeyondOne(entry: Entry | undefined): number {
  return entry?.type === 'file' ? Math.max(0, entry.extents.length - 1) : 0
}
