import { statfsSync } from 'node:fs'

/** The size of the disk of `path`, in bytes; 0 where the system doesn't tell. */
export function diskBytes(path: string): number {
  try {
    const { blocks, bsize } = statfsSync(path)
    return blocks * bsize
  } catch {
    return 0
  }
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
