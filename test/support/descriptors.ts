import { readdirSync, readFileSync } from 'node:fs'

/** Whether this system tells which descriptors a process holds. */
export const tellsDescriptors = process.platform === 'linux'

/** How many descriptors this process holds. */
export function descriptorCount(): number {
  return readdirSync('/proc/self/fd').length
}

/** How many inotify watches a process holds, this one unless said otherwise. */
export function inotifyWatchCount(pid: number | 'self' = 'self'): number {
  let count = 0
  for (const fd of readdirSync(`/proc/${pid}/fdinfo`)) {
    try {
      count += readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8').split('\n').filter(isWatch).length
    } catch {
      // The descriptor by which the directory was listed.
    }
  }
  return count
}

function isWatch(line: string): boolean {
  return line.startsWith('inotify ')
}
