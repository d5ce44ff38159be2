import { sameVersion, type Version } from '../tree/tree.ts'

/**
 * A writer that is in the middle of its first scan, or of a version, and has sent nothing for this long, counts as gone.
 * In milliseconds.
 */
export const partialQuietMs = 10_000

/** What a mirror knows of one log that it follows. */
export interface LogFacts {
  /** The latest version known here; `undefined` before the first. */
  readonly version: Version | undefined
  /** The version that the folder holds, except for pending paths. */
  readonly applied: Version | undefined
  /** The version at which the mirror was last in sync, while nothing has contradicted that. */
  readonly inSync: Version | undefined
  /** Whether a peer is connected and none has a later version. */
  readonly isNewest: boolean
  /** Whether `version` ends in the middle of a batch, so that only the one before it could be applied. */
  readonly isUnfinished: boolean
  /** Whether the writer announced with `version` that its first scan goes on; `undefined` while the head isn't read. */
  readonly isPartial: boolean | undefined
  /** How long ago something came of the log, in milliseconds. */
  readonly quietMs: number
}

/** A mirror that is kept at one version. */
export interface PinnedFacts {
  /** The version to hold; `undefined` while the log hasn't told which one that is. */
  readonly pinned: Version | undefined
  readonly applied: Version | undefined
  readonly inSync: Version | undefined
}

/**
 * - `behind`: something is to be fetched or applied, or a peer may have more.
 * - `head-needed`: all that is known is applied; whether more is announced stands in heads that weren't read.
 * - `waiting`: the writer has announced more, and may still send it.
 * - `in-sync`: in sync with every log.
 */
export type Convergence = 'behind' | 'head-needed' | 'waiting' | 'in-sync'

/**
 * Whether a mirror is in sync with the logs that it follows: with every one of them.
 *
 * @param isHurried whether pending paths are tried again at once
 */
export function convergence(logs: readonly LogFacts[], isHurried: boolean): Convergence {
  if (logs.every(isStillInSync)) return 'in-sync'
  if (isHurried || !logs.every(isReached)) return 'behind'
  if (logs.some(({ isUnfinished, isPartial }) => !isUnfinished && isPartial === undefined)) return 'head-needed'
  return logs.every(isComplete) ? 'in-sync' : 'waiting'
}

/** The same for a mirror that is kept at one version: no peer can have a later one. */
export function pinnedConvergence({ pinned, applied, inSync }: PinnedFacts, isHurried: boolean): Convergence {
  if (pinned === undefined || !sameVersion(pinned, applied)) return 'behind'
  return sameVersion(pinned, inSync) || !isHurried ? 'in-sync' : 'behind'
}

function isStillInSync({ version, inSync, isNewest }: LogFacts): boolean {
  return inSync !== undefined && sameVersion(inSync, version) && isNewest
}

function isReached({ version, applied, isNewest, isUnfinished }: LogFacts): boolean {
  if (version === undefined || applied === undefined || !isNewest) return false
  return isUnfinished || sameVersion(version, applied)
}

function isComplete({ isUnfinished, isPartial, quietMs }: LogFacts): boolean {
  return !(isUnfinished || isPartial === true) || quietMs >= partialQuietMs
}
