import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { until } from './until.ts'

/** A directory as a user sees it: a line of type, mode, time and content for each path. */
export function snapshot(root: string, options: { readonly directoryTimes?: boolean } = {}): Map<string, string> {
  const lines = new Map<string, string>()
  const walk = (relative: string) => {
    for (const name of readdirSync(join(root, relative)).sort()) {
      if (name === '.p2psync') continue
      const path = relative === '' ? name : `${relative}/${name}`
      lines.set(path, describe(join(root, path), options.directoryTimes ?? false))
      if (lines.get(path)?.startsWith('directory')) walk(path)
    }
  }
  walk('')
  return lines
}

function describe(path: string, directoryTimes: boolean): string {
  const stats = lstatSync(path)
  const mode = (stats.mode & 0o7777).toString(8)
  const time = Math.floor(stats.mtimeMs)
  if (stats.isSymbolicLink()) return `symlink ${time} ${readlinkSync(path)}`
  if (stats.isDirectory()) return `directory ${mode}${directoryTimes ? ` ${time}` : ''}`
  return `file ${mode} ${time} ${stats.size} ${createHash('sha256').update(readFileSync(path)).digest('hex')}`
}

/** The differences between two directories, a line for each path; empty if they are equal. */
export function differences(a: string, b: string, options: { readonly directoryTimes?: boolean } = {}): string[] {
  const [left, right] = [snapshot(a, options), snapshot(b, options)]
  const paths = [...new Set([...left.keys(), ...right.keys()])].sort()
  return paths
    .filter((path) => left.get(path) !== right.get(path))
    .map((path) => `${JSON.stringify(path)}: ${left.get(path) ?? 'nothing'} / ${right.get(path) ?? 'nothing'}`)
}

/** Waits until two directories are equal, and asserts it: a failure lists their differences. */
export async function waitUntilEqual(
  t: Assert,
  a: string,
  b: string,
  { directoryTimes = false }: { readonly directoryTimes?: boolean } = {}
): Promise<void> {
  let left: readonly string[] = []
  const areSame = () => {
    try {
      left = differences(a, b, { directoryTimes })
    } catch (error) {
      left = [String(error)] // A file vanished during the comparison.
    }
    return left.length === 0
  }
  await until(areSame, { what: 'equal trees' }).catch(() => {})
  t.alike(left.slice(0, 10), [], 'the trees are equal')
}
