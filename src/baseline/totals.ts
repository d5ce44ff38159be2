import type { Entry } from '../tree/entry.ts'

/** What a tree holds, in numbers. */
export class Totals {
  files = 0
  directories = 0
  symlinks = 0
  /** Bytes of all files' content. */
  bytes = 0
  /** Extents of all files, beyond one for each. */
  extents = 0

  /** Counts one path's entry in place of the one before. */
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

/** Nearly every file has one extent; what there is of others is held in memory beyond that. */
export function extentsBeyondOne(entry: Entry | undefined): number {
  return entry?.type === 'file' ? Math.max(0, entry.extents.length - 1) : 0
}
