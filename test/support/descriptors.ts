import { readdirSync, readFileSync } from 'node:fs'

/** Whether this system lists the descriptors of a process. */
export const tellsDescriptors = process.platform === 'linux'

/** How many descriptors this process holds. */
export function descriptorCount(): number {
  return readdirSync('/proc/self/fd').length
}

/** How many inotify watches a process holds, by default this process. */
export function inotifyWatchCount(pid: number | 'self' = 'self'): number {
  let count = 0
  for (const fd of readdirSync(`/proc/${pid}/fdinfo`)) {
    try {
      count += readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8').split('\n').filter(isWatch).length
    } catch {
      // The descriptor that listed the directory.
    }
  }
  return count
}

function isWatch(line: string): boolean {
  return line.startsWith('inotify ')
}
