import { isUtf8 } from 'node:buffer'
import { readlinkSync, type Stats, statfsSync } from 'node:fs'
import { join } from 'node:path'
import type { Seen } from '../../tree/diff.ts'
import { mtimeMsMax, permissionBits } from '../../tree/entry.ts'
import { parentPath, type TreePath } from '../../tree/path.ts'

/**
 * A file that changed less than this before a check may change again with the same times: the clock of file times
 * ticks every 1 to 10 ms, on FAT every 2 s.
 */
const tickMs = 20
const coarseTickMs = 2000

/**
 * Changes whenever a file does, as far as the file system reports changes. The name isn't part of it, but a rename
 * changes the ctime, so a renamed file is read again: cheap, and never wrong.
 */
export function signatureOf(stats: Stats): string {
  if (stats.isDirectory()) return `${stats.ino}:${stats.birthtimeMs}`
  return `${stats.size}:${stats.mtimeMs}:${stats.ctimeMs}:${stats.ino}`
}

/** File systems with stable inode numbers, by Linux's `f_type`: ext, XFS, Btrfs, ZFS, F2FS, bcachefs, tmpfs. */
const stableInodes: ReadonlySet<number> = new Set([
  0xef53, 0x58465342, 0x9123683e, 0x2fc12fc1, 0xf2f52010, 0xca451a4e, 0x01021994
])

/**
 * Whether a signature in a folder can only ever have belonged to one file: if the file system has stable inode numbers
 * and fine file times.
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

/** Ends the signature of a directory that is a mount point, on another file system than the folder. */
export const mountedMark = ':mounted'

/**
 * Whether a change after a read at `nowMs` could leave the signature unchanged ("racily clean" in git). A change far in
 * the future happened before the clock was set back: the next one gets another time.
 */
export function isRacy(stats: Stats, nowMs: number): boolean {
  return Math.abs(nowMs - stats.ctimeMs) < tickOf(stats)
}

/** How long after a change of a file another change may not show in its times, in milliseconds. */
export function tickOf(stats: Stats): number {
  // `isRacy` goes by the ctime, since users can set the mtime.
  return stats.mtimeMs % 1000 === 0 && stats.ctimeMs % 1000 === 0 ? coarseTickMs : tickMs
}

/** The mtime in whole milliseconds, as in an entry: truncated, so that a restored time reads back as the same. */
export function mtimeOf(stats: Stats): number {
  return Math.min(Math.max(Math.floor(stats.mtimeMs), -mtimeMsMax), mtimeMsMax)
}

/**
 * The state of a path as the tree represents it, or a noun for a kind of file that isn't replicated.
 *
 * @param at a name that doesn't lead out of the folder
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
