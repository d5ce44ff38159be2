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

/** What a path leads to; `silent` where its disk doesn't answer in time. */
export type PathKind = 'directory' | 'other' | 'nothing' | 'unreadable' | 'silent'

const askKind = `
  try {
    const stats = fs.statSync(process.argv[1], { throwIfNoEntry: false })
    if (stats?.isDirectory()) fs.readdirSync(process.argv[1])
    process.stdout.write(stats === undefined ? 'nothing' : stats.isDirectory() ? 'directory' : 'other')
  } catch {
    process.stdout.write('unreadable')
  }`

/**
 * Looks at a path from another process: of a network disk whose server is gone, whoever touches it waits for ever,
 * and can't even end.
 */
export function kindAt(path: string, msMax: number): Promise<PathKind> {
  return new Promise((settle) => {
    const child = execFile(process.execPath, ['-e', askKind, '--', path], (_, said) => {
      clearTimeout(timer)
      settle(said === '' ? 'silent' : (said as PathKind))
    })
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      child.unref() // Even that may have to wait.
      settle('silent')
    }, msMax)
  })
}

export interface SpaceFacts {
  readonly freeBytes: number
  readonly totalBytes: number
  /** Files and directories that can still be made; `undefined` where the file system has no such limit. */
  readonly freeFiles: number | undefined
}

/** How full the disk of a directory is. */
export async function probeSpace(directory: string): Promise<SpaceFacts> {
  const { bavail, bsize, blocks, ffree, files } = await statfs(directory)
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize, freeFiles: files > 0 ? ffree : undefined }
}

export interface DiskFacts {
  readonly traits: FileSystemTraits
  readonly keepsLinks: boolean
}

/**
 * Finds out what the file system of a directory makes of what it is given. In a folder of ours, or beneath one, that is
 * tried where no share or mirror looks.
 *
 * @throws {SyncError} DISK_FULL, FOLDER_UNREADABLE when nothing can be written there
 */
export async function probeDisk(directory: string): Promise<DiskFacts> {
  const place = placeToTry(directory)
  return { traits: probeFileSystem(place), keepsLinks: probeLinks(place) }
}

function placeToTry(directory: string): string {
  const device = statSync(directory).dev
  for (let at = resolve(directory); ; at = dirname(at)) {
    const own = join(at, stateDirectoryName)
    if (existsSync(join(own, 'folder.json')) && statSync(own).dev === device) return own
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
  /** The limits of the system for a user; `undefined` where they aren't known. */
  readonly watchesMax: number | undefined
  readonly instancesMax: number | undefined
  /** The error code where not even one directory can be watched now. */
  readonly reason: string | undefined
  /** Directories to watch, and whether that are all. */
  readonly directories: number | undefined
  readonly isCounted: boolean
}

/** How many directories can be watched, and how many there are in `directory`. */
export async function probeNotifications(
  directory: string | undefined,
  signal: AbortSignal
): Promise<NotificationFacts> {
  const counted = directory === undefined ? undefined : await countDirectories(directory, signal)
  return {
    watchesMax: numberIn('/proc/sys/fs/inotify/max_user_watches'),
    instancesMax: numberIn('/proc/sys/fs/inotify/max_user_instances'),
    reason: watchFailure(directory ?? tmpdir()),
    directories: counted?.count,
    isCounted: counted?.isWhole ?? false
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
): Promise<{ readonly count: number; readonly isWhole: boolean }> {
  const todo = [root]
  let count = 0
  for (let at = todo.pop(); at !== undefined; at = todo.pop()) {
    if (signal.aborted) return { count, isWhole: false }
    count++
    const entries = await readdir(at, { withFileTypes: true }).catch(() => [])
    for (const entry of entries) {
      if (entry.isDirectory() && entry.name !== stateDirectoryName) todo.push(join(at, entry.name))
    }
  }
  return { count, isWhole: true }
}

/** When p2psync last wrote in a folder, by the clock of this machine then; `undefined` where it never did. */
export function lastOwnTimeMs(root: string): number | undefined {
  const own = join(root, stateDirectoryName)
  const paths = ['folder.json', 'lock', 'state', 'store/CORESTORE', 'store/db', 'state/CURRENT'].map((name) =>
    join(own, name)
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
    return false // Not there; and who can't write to it can't hold it.
  }
  try {
    if (!extensions.tryLock(fd)) return true
    extensions.unlock(fd)
    return false
  } finally {
    closeSync(fd)
  }
}

/** A process, and what it was started with. */
export interface Holder {
  readonly pid: number
  readonly args: readonly string[]
}

/** Who listens on a TCP port of this machine, as far as this user may know. */
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

/** The sockets in a table of the kernel's that listen on a port, as links of descriptors name them. */
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
    return [] // Gone, or another user's.
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
