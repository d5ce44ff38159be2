import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from './cli.ts'

/** The contents of all files and links of a folder, by path. */
export function contentsOf(root: string): Record<string, string> {
  const contents: Record<string, string> = {}
  const walk = (prefix: string) => {
    for (const name of readdirSync(join(root, prefix)).sort()) {
      if (name === '.p2psync') continue
      const path = prefix + name
      if (lstatSync(join(root, path)).isDirectory()) walk(`${path}/`)
      else contents[path] = readFileSync(join(root, path), 'utf8')
    }
  }
  walk('')
  return contents
}

/** What tells that a file was written anew: inode number and times. */
export function tracesOf(root: string): Record<string, string> {
  const traces: Record<string, string> = {}
  for (const path of Object.keys(contentsOf(root))) {
    const { ino, mtimeMs, size } = lstatSync(join(root, path))
    traces[path] = `${ino} ${mtimeMs} ${size}`
  }
  return traces
}

/** Whether content was fetched or copied, from the `from`th event on. */
export function hasFetched({ events }: Command, from = 0): boolean {
  return events.slice(from).some((event) => event.type === 'progress' && event.phase === 'fetch' && event.bytes > 0)
}

/** What a reader said that it says only when something is other than it should be. */
export function troublesOf({ events }: Command): readonly unknown[] {
  return events.filter(({ type }) => ['diverged', 'conflict', 'problem', 'error'].includes(type))
}
