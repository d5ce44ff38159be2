import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/**
 * The disk space of all files beneath a directory, in bytes: their blocks or, if the system doesn't tell, their sizes.
 * 0 if there is no directory.
 */
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
    // The directory isn't there, or was removed meanwhile.
  }
  return bytes
}
