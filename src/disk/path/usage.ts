import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** Bytes that all beneath a directory takes on disk, or is long where the system doesn't tell; 0 where there is none. */
export function diskUsage(directory: string): number {
  let bytes = 0
  try {
    for (const name of readdirSync(directory)) {
      const path = join(directory, name)
      const stats = lstatSync(path, { throwIfNoEntry: false })
      if (stats === undefined) continue
      bytes += stats.isDirectory() ? diskUsage(path) : stats.blocks === undefined ? stats.size : stats.blocks * 512
    }
  } catch {
    // It went meanwhile, or isn't there.
  }
  return bytes
}
