import { SyncError } from '../../errors.ts'
import type { Head } from '../../format/head-codec.ts'
import type { Version } from '../../tree/tree.ts'
import type { VersionName } from '../../tree/version-name.ts'
import { headerLength } from './entries.ts'

/** Reads the heads of a log. */
export interface Versions {
  /** The head of a version. */
  readonly head: (version: Version) => Promise<Head>
  /** The head of the version that ends at this length, or `undefined` if none does. */
  readonly endAt: (version: Version) => Promise<Head | undefined>
}

/** How far to look back for the version before a number that is none. */
const nearMax = 500

/**
 * The version that a name stands for, in the fork of `latest`.
 *
 * @param latest the newest version, which is whole
 * @throws {SyncError} NO_SUCH_VERSION
 */
export function findVersion(log: Versions, latest: Version, name: VersionName): Promise<Version> {
  if (name.by === 'number') return byNumber(log, latest, name.number)
  return name.by === 'back' ? byCount(log, latest, name.count) : byTime(log, latest, name.timeMs)
}

async function byNumber(log: Versions, latest: Version, number: number): Promise<Version> {
  if (number > latest.length) throw none(`${number}: the newest is ${latest.length}`)
  for (let length = number; length > Math.max(headerLength, number - nearMax); length--) {
    const version = { fork: latest.fork, length }
    const head = await log.endAt(version)
    if (head === undefined) continue
    if (head.unfinished && head.before > headerLength) throw none(`${number}; the one before it is ${head.before}`)
    if (head.unfinished) break
    if (length === number) return version
    throw none(`${number}; the one before it is ${length}`)
  }
  throw none(`${number}. Its number is what share prints`)
}

async function byCount(log: Versions, latest: Version, count: number): Promise<Version> {
  let version = latest
  for (let left = count; left > 0; left--) {
    const before = versionBefore(version, await log.head(version))
    if (before === undefined) throw none(`-${count}: there are ${count - left} before the newest`)
    version = before
  }
  return version
}

async function byTime(log: Versions, latest: Version, timeMs: number): Promise<Version> {
  for (let version = latest; ; ) {
    const head = await log.head(version)
    if (head.timeMs <= timeMs) return version
    const before = versionBefore(version, head)
    if (before === undefined) throw none(`of ${show(timeMs)} or before: the first is of ${show(head.timeMs)}`)
    version = before
  }
}

/** `undefined` for the first version, and in logs of earlier writers, whose heads lack it. */
function versionBefore({ fork, length }: Version, { before }: Head): Version | undefined {
  return before > headerLength && before < length ? { fork, length: before } : undefined
}

function none(description: string): SyncError {
  return new SyncError('NO_SUCH_VERSION', `There is no version ${description}`)
}

function show(timeMs: number): string {
  const date = new Date(timeMs)
  return Number.isNaN(date.getTime()) ? 'a time that no calendar has' : date.toISOString()
}
