import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import type { Command } from './cli.ts'
import { until } from './until.ts'

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

/** Waits until a folder holds exactly these files with these contents, and asserts it. */
export async function waitForContents(t: Assert, root: string, contents: Record<string, string>): Promise<void> {
  const sorted = (of: Record<string, string>) => JSON.stringify(Object.entries(of).sort())
  const wanted = sorted(contents)
  let seen = ''
  const isThere = () => {
    try {
      seen = sorted(contentsOf(root))
    } catch {} // A path vanished during the walk, such as a directory that has just become empty.
    return seen === wanted
  }
  await until(isThere, { what: 'these files' }).catch(() => {})
  t.is(seen, wanted) // The contents seen, not the present ones: a mirror may be working on the next version.
}

/** Evidence of rewriting, by path: inode number, time and size. */
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

/** The events that a reader reports only in case of trouble. */
export function troublesOf({ events }: Command): readonly unknown[] {
  return events.filter(({ type }) => ['diverged', 'conflict', 'problem', 'error'].includes(type))
}
