import { execFile } from 'node:child_process'
import {
  closeSync,
  constants,
  existsSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  watch
} from 'node:fs'
import { readdir, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import extensions from 'fs-native-extensions'
import { messageOf, systemCode } from '../../errors.ts'
import type { FileSystemTraits } from '../../tree/file-system.ts'
import { stateDirectoryName } from '../../tree/path.ts'
import { probeFileSystem } from './capabilities.ts'

/** The kind of thing at the end of a path; `silent` if its disk doesn't answer in time. */
export type PathKind = 'directory' | 'other' | 'nothing' | 'unreadable' | 'silent'

const kindScript = `
  try {
    const stats = fs.statSync(process.argv[1], { throwIfNoEntry: false })
    if (stats?.isDirectory()) fs.readdirSync(process.argv[1])
    process.stdout.write(stats === undefined ? 'nothing' : stats.isDirectory() ? 'directory' : 'other')
  } catch {
    process.stdout.write('unreadable')
  }`

/**
 * Examines a path in another process: a process that touches a network disk whose server is gone blocks for ever and
 * can't even be killed.
 *
 * @param msMax after this many milliseconds without an answer the path counts as `silent`
 */
export function kindAt(path: string, msMax: number): Promise<PathKind> {
  return new Promise((settle) => {
    const child = execFile(process.execPath, ['-e', kindScript, '--', path], (_, output) => {
      clearTimeout(timer)
      settle(output === '' ? 'silent' : (output as PathKind))
    })
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      child.unref() // The kill may take effect late, or never.
      settle('silent')
    }, msMax)
  })
}

export interface SpaceFacts {
  readonly freeBytes: number
  readonly totalBytes: number
  /** How many files and directories can still be created; `undefined` if the file system has no such limit. */
  readonly freeFiles: number | undefined
}

/** Free and total space of the disk of a directory. @throws the system's error */
export async function probeSpace(directory: string): Promise<SpaceFacts> {
  const { bavail, bsize, blocks, ffree, files } = await statfs(directory)
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize, freeFiles: files > 0 ? ffree : undefined }
}

export interface DiskFacts {
  readonly traits: FileSystemTraits
  readonly keepsLinks: boolean
}

/**
 * Tests which names, modes, times and symlinks the file system of a directory keeps. In a shared or mirrored folder, or
 * beneath one, it does so in the state directory, which no scan reads.
 *
 * @throws {SyncError} DISK_FULL; FOLDER_UNREADABLE when the directory isn't writable
 */
export async function probeDisk(directory: string): Promise<DiskFacts> {
  const place = placeToProbe(directory)
  return { traits: probeFileSystem(place), keepsLinks: probeLinks(place) }
}

function placeToProbe(directory: string): string {
  const device = statSync(directory).dev
  for (let at = resolve(directory); ; at = dirname(at)) {
    const state = join(at, stateDirectoryName)
    if (existsSync(join(state, 'folder.json')) && statSync(state).dev === device) return state
    if (at === dirname(at)) return directory
  }
}

function probeLinks(place: string): boolean {
  const at = mkdtempSync(join(place, 'probe-'))
  try {
    symlinkSync('target', join(at, 'link'))
    return readlinkSync(join(at, 'link')) === 'target'
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    return false
  } finally {
    rmSync(at, { recursive: true, force: true })
  }
}

export interface NotificationFacts {
  /** The system's limits per user; `undefined` if unknown. */
  readonly watchesMax: number | undefined
  readonly instancesMax: number | undefined
  /** The error code if even a single directory can't be watched now. */
  readonly reason: string | undefined
  /** The number of directories to watch, and whether the count is complete. */
  readonly directories: number | undefined
  readonly isCounted: boolean
}

/** How many directories can be watched, and how many there are in `directory`. An abort ends the count early. */
export async function probeNotifications(
  directory: string | undefined,
  signal: AbortSignal
): Promise<NotificationFacts> {
  const count = directory === undefined ? undefined : await countDirectories(directory, signal)
  return {
    watchesMax: numberIn('/proc/sys/fs/inotify/max_user_watches'),
    instancesMax: numberIn('/proc/sys/fs/inotify/max_user_instances'),
    reason: watchFailure(directory ?? tmpdir()),
    directories: count?.directories,
    isCounted: count?.isComplete ?? false
  }
}

function watchFailure(directory: string): string | undefined {
  try {
    watch(directory).close()
    return undefined
  } catch (error) {
    return systemCode(error) ?? messageOf(error)
  }
}

async function countDirectories(
  root: string,
  signal: AbortSignal
): Promise<{ readonly directories: number; readonly isComplete: boolean }> {
  const pending = [root]
  let directories = 0
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    if (signal.aborted) return { directories, isComplete: false }
    directories++
    const entries = await readdir(at, { withFileTypes: true }).catch(() => [])
    for (const entry of entries) {
      if (entry.isDirectory() && entry.name !== stateDirectoryName) pending.push(join(at, entry.name))
    }
  }
  return { directories, isComplete: true }
}

/** When p2psync last wrote to a folder, in milliseconds by this machine's clock then; `undefined` if it never did. */
export function lastOwnTimeMs(root: string): number | undefined {
  const state = join(root, stateDirectoryName)
  const paths = ['folder.json', 'lock', 'state', 'store/CORESTORE', 'store/db', 'state/CURRENT'].map((name) =>
    join(state, name)
  )
  const times = paths
    .map((path) => lstatSync(path, { throwIfNoEntry: false })?.mtimeMs)
    .filter((time) => time !== undefined)
  return times.length > 0 ? Math.max(...times) : undefined
}

/** Whether another process holds the lock on `path` now. */
export function isLocked(path: string): boolean {
  let fd: number
  try {
    fd = openSync(path, constants.O_RDWR)
  } catch {
    return false // There is no such file, or this user can't write to it.
  }
  try {
    if (!extensions.tryLock(fd)) return true
    extensions.unlock(fd)
    return false
  } finally {
    closeSync(fd)
  }
}

/** A process and its command line. */
export interface Holder {
  readonly pid: number
  readonly args: readonly string[]
}

/** The process that listens on a TCP port of this machine; `undefined` if none does or this user may not know. */
export function tcpPortHolder(port: number): Holder | undefined {
  try {
    const sockets = new Set(['tcp', 'tcp6'].flatMap((table) => listenersOn(port, table)))
    const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
    const pid = pids.find((name) => descriptorsOf(name).some((target) => sockets.has(target)))
    if (pid === undefined) return undefined
    const args = (textOf(`/proc/${pid}/cmdline`) ?? '').split('\0').filter((arg) => arg !== '')
    return { pid: Number(pid), args }
  } catch {
    return undefined
  }
}

/** The sockets in a table of the kernel that listen on a port, named as in the links of `/proc/<pid>/fd`. */
function listenersOn(port: number, table: string): string[] {
  const listening = '0A'
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return (textOf(`/proc/net/${table}`) ?? '')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1]?.endsWith(suffix) && fields[3] === listening)
    .map((fields) => `socket:[${fields[9]}]`)
}

function descriptorsOf(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`))
  } catch {
    return [] // The process has ended, or belongs to another user.
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return undefined
  }
}

function numberIn(path: string): number | undefined {
  const text = textOf(path)
  return text === undefined ? undefined : Number(text)
}
