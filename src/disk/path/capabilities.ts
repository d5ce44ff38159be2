import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import extensions from 'fs-native-extensions'
import { messageOf, SyncError, systemCode } from '../../errors.ts'
import type { FileSystemTraits } from '../../tree/file-system.ts'
import { secondsOf } from './metadata.ts'

/** An odd second with 999 ms: a file system with coarse times truncates it visibly. */
const oddTimeMs = 1_614_834_367_999
/** Before 1970, and beyond 32 bits of seconds: not every system stores these right. */
const earlyTimeMs = -1500
const lateTimeMs = 5_000_000_000_000
const lastTimeOf32BitsMs = 2 ** 31 * 1000 - 1
/** Resolutions of file times, in milliseconds: fine, exFAT (10), coarser kin, FAT (2 s). */
const timeSteps = [1, 10, 100, 2000] as const
/** The range of times on FAT and exFAT, less a day at each end for time zones. */
const fatTimesMs = [Date.UTC(1980, 0, 2), Date.UTC(2107, 11, 30)] as const

/**
 * Tests how the file system of `directory` treats names, modes and times, with files in a temporary directory.
 *
 * @throws {SyncError} DISK_FULL; FOLDER_UNREADABLE when `directory` isn't writable
 */
export function probeFileSystem(directory: string): FileSystemTraits {
  let at: string | undefined
  try {
    at = mkdtempSync(join(directory, 'probe-'))
    return { ...probeNames(at), keepsModes: probeModes(at), ...probeTimes(at) }
  } catch (error) {
    const code = systemCode(error)
    if (code === undefined) throw error
    const isFull = code === 'ENOSPC' || code === 'EDQUOT'
    const fault = isFull ? 'The disk is full' : `Can't write to ${directory}: ${messageOf(error)}`
    const message = `${fault}. p2psync continues as soon as it can write there`
    throw new SyncError(isFull ? 'DISK_FULL' : 'FOLDER_UNREADABLE', message, { cause: error })
  } finally {
    if (at !== undefined) rmSync(at, { recursive: true, force: true })
  }
}

type NameTraits = Pick<FileSystemTraits, 'foldsCase' | 'foldsUnicode' | 'keepsCase' | 'keepsForm'>

function probeNames(at: string): NameTraits {
  const composed = '\u00e9'
  const decomposed = 'e\u0301'
  const foldsCase = isAlias(at, 'Case', 'cASE')
  const canonical = isAlias(at, composed, decomposed)
  const compatible = canonical && isAlias(at, '\ufb01', 'fi')
  const listed = readdirSync(at)
  const foldsUnicode = compatible ? 'compatible' : canonical ? 'canonical' : 'none'
  return {
    foldsCase,
    foldsUnicode,
    keepsCase: listed.includes('Case'),
    keepsForm: foldsUnicode === 'none' || (listed.includes(composed) && keepsAsGiven(at, decomposed))
  }
}

/** Whether the file system finds a file by another spelling of its name. Creates the file. */
function isAlias(at: string, name: string, other: string): boolean {
  writeFileSync(join(at, name), '')
  return existsSync(join(at, other))
}

function keepsAsGiven(at: string, name: string): boolean {
  const marked = `kept-${name}`
  writeFileSync(join(at, marked), '')
  return readdirSync(at).includes(marked)
}

function probeModes(at: string): boolean {
  const path = join(at, 'modes')
  writeFileSync(path, '')
  return [0o640, 0o711].every((mode) => {
    try {
      chmodSync(path, mode)
    } catch (error) {
      if (systemCode(error) === undefined) throw error
      return false // FAT refuses modes that it has no bits for.
    }
    return (lstatSync(path).mode & 0o777) === mode
  })
}

function probeTimes(at: string): Pick<FileSystemTraits, 'timeStepMs' | 'timesMs'> {
  const path = join(at, 'times')
  writeFileSync(path, '')
  const lossMs = (timeMs: number) => {
    const seconds = String(secondsOf(timeMs))
    utimesSync(path, seconds, seconds)
    return Math.abs(Math.floor(lstatSync(path).mtimeMs) - timeMs)
  }
  const oddLossMs = lossMs(oddTimeMs)
  // The cache of the kernel may hold a whole second that FAT rounds to two on disk.
  const timeStepMs = timeSteps.find((step) => oddLossMs < step) ?? Number.POSITIVE_INFINITY
  if (timeStepMs >= 1000) return { timeStepMs, timesMs: fatTimesMs }
  const first = lossMs(earlyTimeMs) < timeStepMs ? Number.NEGATIVE_INFINITY : 0
  const last = lossMs(lateTimeMs) < timeStepMs ? Number.POSITIVE_INFINITY : lastTimeOf32BitsMs
  return { timeStepMs, timesMs: [first, last] }
}

/**
 * Whether the file system of `path` supports extended attributes. One that doesn't, such as FAT or exFAT, has no stable
 * inode numbers either: the driver invents them at each mount. True if there is no file.
 */
export function keepsAttributes(path: string): boolean {
  if (!existsSync(path)) return true
  const fd = openSync(path, constants.O_RDONLY)
  try {
    extensions.getAttrSync(fd, 'user.p2psync')
    return true
  } catch {
    return false
  } finally {
    closeSync(fd)
  }
}
