import { closeSync, fstatSync, lstatSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setPriority } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { sealOf } from './sealed.ts'

/**
 * A process of its own: `node observer.js MIRROR PUBLISHED`. Walks a mirror continuously and reports,
 * as JSON lines, forbidden states: content that is torn, or was never published
 * for its path (PUBLISHED holds lines of `path TAB id`, written before each edit), a path that was never
 * published, and, beneath `steady/` where nothing is ever removed, a path that is gone.
 * On SIGTERM it prints its numbers of rounds and reads, and exits.
 */
const [root = '', published = ''] = process.argv.slice(2)
const known = new Set<string>()
const steady = new Set<string>()
const verified = new Map<string, string>()
const reported = new Set<string>()
let [rounds, reads, ended] = [0, 0, false]

process.on('SIGTERM', () => {
  ended = true
})
setPriority(5)
process.stdout.write('{"started":true}\n')
while (!ended) {
  walk('')
  for (const path of steady) if (!isThere(path)) violation(path, 'is gone')
  rounds++
  await nextTurn()
}
process.stdout.write(`${JSON.stringify({ rounds, reads })}\n`)

function walk(directory: string): void {
  for (const name of attempt(() => readdirSync(join(root, directory))) ?? []) {
    const path = directory === '' ? name : `${directory}/${name}`
    if (path !== '.p2psync') look(path)
  }
}

function look(path: string): void {
  const stats = attempt(() => lstatSync(join(root, path)))
  if (stats === undefined) return
  if (stats.isDirectory()) {
    if (!isPublished(path, 'directory')) violation(path, 'was never published as a directory')
    walk(path)
    return
  }
  if (path.startsWith('steady/')) steady.add(path)
  const id = stats.isSymbolicLink() ? attempt(() => `-> ${readlinkSync(join(root, path))}`) : idAt(path)
  if (id !== undefined && !isPublished(path, id)) violation(path, `holds ${id}, never published for it`)
}

/** The id of a file's content, read from one descriptor. */
function idAt(path: string): string | undefined {
  const fd = attempt(() => openSync(join(root, path), 'r'))
  if (fd === undefined) return undefined
  try {
    const { ino, size, mtimeMs, ctimeMs } = fstatSync(fd)
    const signature = `${ino} ${size} ${mtimeMs} ${ctimeMs}`
    // Large files are read only after a change, and now and then.
    if (size > 100_000 && verified.get(path) === signature && rounds % 20 !== 0) return undefined
    const content = readFileSync(fd)
    reads++
    const id = sealOf(content)
    if (id !== undefined) verified.set(path, signature)
    return id ?? `${content.length} bytes that are torn`
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EISDIR') return undefined
    throw error
  } finally {
    closeSync(fd)
  }
}

function isPublished(path: string, id: string): boolean {
  // A copy that was set aside has a name of its own, and the content of its path.
  const line = `${path.replace(/\.conflict-[^/]*$/, '')}\t${id}`
  if (known.has(line)) return true
  for (const each of readFileSync(published, 'utf8').split('\n')) known.add(each)
  return known.has(line)
}

function isThere(path: string): boolean {
  // By lstat, not by listing: a listing may miss a name that is replaced meanwhile.
  return attempt(() => lstatSync(join(root, path))) !== undefined
}

function violation(path: string, what: string): void {
  if (reported.has(`${path} ${what}`)) return
  reported.add(`${path} ${what}`)
  process.stdout.write(`${JSON.stringify({ path, what, atMs: Date.now() })}\n`)
}

/** Ignores paths that vanish or change type between two calls: the next round checks them. */
function attempt<T>(act: () => T): T | undefined {
  try {
    return act()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EINVAL' || code === 'EISDIR') return undefined
    throw error
  }
}
