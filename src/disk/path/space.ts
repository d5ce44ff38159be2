import { statfsSync } from 'node:fs'

/** The size of the disk of `path`, in bytes; as large as you like where the system doesn't tell. */
export function diskBytes(path: string): number {
  try {
    const { blocks, bsize } = statfsSync(path)
    if (blocks > 0) return blocks * bsize
  } catch {
    // Nobody tells.
  }
  return Number.POSITIVE_INFINITY
}

/** Bytes that can still be written to the disk of `path`; as many as you like where the system doesn't tell. */
export function freeBytes(path: string): number {
  try {
    const { bavail, bsize } = statfsSync(path)
    return bavail * bsize
  } catch {
    return Number.POSITIVE_INFINITY
  }
}
