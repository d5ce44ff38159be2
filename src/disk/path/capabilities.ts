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

/** An odd second with all its milliseconds: coarse times cut off much of it. */
const oddTimeMs = 1_614_834_367_999
/** Before 1970, and after what 32 bits hold: not every system gets these right. */
const earlyTimeMs = -1500
const lateTimeMs = 5_000_000_000_000
const lastTimeOf32BitsMs = 2 ** 31 * 1000 - 1
/** Steps of the times of file systems: exact, FAT's kin in hundredths, and FAT itself. */
const timeSteps = [1, 10, 100, 2000] as const
/** What FAT and its kin can hold, less a day for time zones. */
const fatTimesMs = [Date.UTC(1980, 0, 2), Date.UTC(2107, 11, 30)] as const

/**
 * Finds out by trying what the file system that `directory` lies on does to names, modes and times.
 *
 * @throws {SyncError} DISK_FULL, FOLDER_UNREADABLE when nothing can be written there
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
    const what = isFull ? 'The disk is full' : `Can't write to ${directory}: ${messageOf(error)}`
    throw new SyncError(isFull ? 'DISK_FULL' : 'FOLDER_UNREADABLE', `${what}. It goes on when it can be written to`, {
      cause: error
    })
  } finally {
    if (at !== undefined) rmSync(at, { recursive: true, force: true })
  }
}

type NameTraits = Pick<FileSystemTraits, 'foldsCase' | 'foldsUnicode' | 'keepsCase' | 'keepsForm'>

function probeNames(at: string): NameTraits {
  const composed = '\u00e9'
  const decomposed = 'e\u0301'
  const foldsCase = names(at, 'Case', 'cASE')
  const canonical = names(at, composed, decomposed)
  const compatible = canonical && names(at, '\ufb01', 'fi')
  const listed = readdirSync(at)
  const foldsUnicode = compatible ? 'compatible' : canonical ? 'canonical' : 'none'
  return {
    foldsCase,
    foldsUnicode,
    keepsCase: listed.includes('Case'),
    keepsForm: foldsUnicode === 'none' || (listed.includes(composed) && keepsAsGiven(at, decomposed))
  }
}

/** Whether what is made under one name is found under another. */
function names(at: string, made: string, other: string): boolean {
  writeFileSync(join(at, made), '')
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
      return false // FAT refuses what it has no bit for.
    }
    return (lstatSync(path).mode & 0o777) === mode
  })
}

function probeTimes(at: string): Pick<FileSystemTraits, 'timeStepMs' | 'timesMs'> {
  const path = join(at, 'times')
  writeFileSync(path, '')
  const lostOf = (timeMs: number) => {
    const seconds = String(secondsOf(timeMs))
    utimesSync(path, seconds, seconds)
    return Math.abs(Math.floor(lstatSync(path).mtimeMs) - timeMs)
  }
  const lost = lostOf(oddTimeMs)
  // A whole second in memory may well be FAT's two on disk.
  const timeStepMs = timeSteps.find((step) => lost < step) ?? Number.POSITIVE_INFINITY
  if (timeStepMs >= 1000) return { timeStepMs, timesMs: fatTimesMs }
  const first = lostOf(earlyTimeMs) < timeStepMs ? Number.NEGATIVE_INFINITY : 0
  const last = lostOf(lateTimeMs) < timeStepMs ? Number.POSITIVE_INFINITY : lastTimeOf32BitsMs
  return { timeStepMs, timesMs: [first, last] }
}

/**
 * Whether the file at `path` could carry attributes of its own. Where files can't, as on FAT and its kin, inode
 * numbers don't last either: they are made up anew whenever the disk is mounted. True where there is no file.
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
