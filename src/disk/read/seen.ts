import { isUtf8 } from 'node:buffer'
import { readlinkSync, type Stats, statfsSync } from 'node:fs'
import { join } from 'node:path'
import type { Seen } from '../../tree/diff.ts'
import { mtimeMsMax, permissionBits } from '../../tree/entry.ts'
import { parentPath, type TreePath } from '../../tree/path.ts'

/**
 * A file changed this short a time before it was looked at may change again without its times
 * showing it: the clock of file times ticks every 1 to 10 ms, on FAT every 2 s.
 */
const tickMs = 20
const coarseTickMs = 2000

/**
 * What changes whenever a file does, as far as the file system tells. The name of a file isn't part
 * of it, but a rename changes ctime, so a renamed file is read again: cheap, and never wrong.
 */
export function signatureOf(stats: Stats): string {
  if (stats.isDirectory()) return `${stats.ino}:${stats.birthtimeMs}`
  return `${stats.size}:${stats.mtimeMs}:${stats.ctimeMs}:${stats.ino}`
}

/** File systems whose inodes keep their numbers, by Linux's `f_type`: ext, XFS, Btrfs, ZFS, F2FS, bcachefs, tmpfs. */
const stableInodes: ReadonlySet<number> = new Set([
  0xef53, 0x58465342, 0x9123683e, 0x2fc12fc1, 0xf2f52010, 0xca451a4e, 0x01021994
])

/**
 * Tells of the files in a folder whether no other can ever have had a signature: where inodes keep their numbers, and
 * the clock of file times is a fine one.
 */
export function uniqueIn(root: string): (path: TreePath, signature: string) => boolean {
  const stable = new Map<TreePath | '', boolean>()
  return (path, signature) => {
    const directory = parentPath(path)
    const isStable = stable.get(directory) ?? keepsInodes(join(root, directory))
    stable.set(directory, isStable)
    return isStable && hasFineTimes(signature)
  }
}

function keepsInodes(directory: string): boolean {
  if (process.platform !== 'linux') return false
  try {
    return stableInodes.has(statfsSync(directory).type)
  } catch {
    return false
  }
}

function hasFineTimes(signature: string): boolean {
  const [, mtimeMs, ctimeMs] = signature.split(':').map(Number)
  return Number(mtimeMs) % 1000 !== 0 || Number(ctimeMs) % 1000 !== 0
}

/** Ends the signature of a directory on another file system than the folder's: something is mounted there. */
export const mountedMark = ':mounted'

/**
 * Whether content read at `nowMs` could be changed afterwards without a new signature ("racily clean"
 * in git). A change that lies in the future was made before the clock was set back: the next one would
 * get another time.
 */
export function isRacy(stats: Stats, nowMs: number): boolean {
  return Math.abs(nowMs - stats.ctimeMs) < tickOf(stats)
}

/** How long after a change a file has to be left, in milliseconds, until another would show in its times. */
export function tickOf(stats: Stats): number {
  // The ctime alone: the mtime is whatever somebody has set it to.
  return stats.mtimeMs % 1000 === 0 && stats.ctimeMs % 1000 === 0 ? coarseTickMs : tickMs
}

/** Whole milliseconds, as they travel: cut off, so that a restored time reads back as the same. */
export function mtimeOf(stats: Stats): number {
  return Math.min(Math.max(Math.floor(stats.mtimeMs), -mtimeMsMax), mtimeMsMax)
}

/**
 * What stands at a path as the tree knows it, or a word for what can't travel.
 *
 * @param at a name that the caller has made safe to use
 */
export function seeAt(at: string, stats: Stats): Seen | string {
  const mtimeMs = mtimeOf(stats)
  const mode = stats.mode & permissionBits
  if (stats.isFile()) return { type: 'file', mode, mtimeMs, size: stats.size, signature: signatureOf(stats) }
  if (stats.isDirectory()) return { type: 'directory', mode, mtimeMs, signature: signatureOf(stats) }
  if (!stats.isSymbolicLink()) return kindOf(stats)
  const target = readlinkSync(at, { encoding: 'buffer' })
  return isUtf8(target) ? { type: 'symlink', mtimeMs, target: target.toString() } : 'link whose target is not UTF-8'
}

function kindOf(stats: Stats): string {
  if (stats.isFIFO()) return 'FIFO'
  if (stats.isSocket()) return 'socket'
  if (stats.isCharacterDevice() || stats.isBlockDevice()) return 'device'
  return 'file of an unknown kind'
}
