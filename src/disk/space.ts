import { statfsSync } from 'node:fs'

/** Bytes that can still be written to the disk of `path`; as many as you like where the system doesn't tell. */
export function freeBytes(path: string): number {
  try {
    const { bavail, bsize } = statfsSync(path)
    return bavail * bsize
  } catch {
    return Number.POSITIVE_INFINITY
  }
}
