import { statfsSync } from 'node:fs'

/** The size of the disk of `path`, in bytes; infinite if unknown. */
export function diskBytes(path: string): number {
  try {
    const { blocks, bsize } = statfsSync(path)
    if (blocks > 0) return blocks * bsize
  } catch {
    // The size is unknown.
  }
  return Number.POSITIVE_INFINITY
}

/** The bytes that can still be written to the disk of `path`; infinite if unknown. */
export function freeBytes(path: string): number {
  try {
    const { bavail, bsize } = statfsSync(path)
    return bavail * bsize
  } catch {
    return Number.POSITIVE_INFINITY
  }
}
