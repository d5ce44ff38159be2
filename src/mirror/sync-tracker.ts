import { sameVersion, type Version } from '../tree/tree.ts'
import type { Checkpoint } from './checkpoint.ts'
import { convergence, type LogFacts, pinnedConvergence } from './convergence.ts'
import type { FollowedLog } from './followed-log.ts'

type TrackedLog = Pick<FollowedLog, 'version' | 'isNewest' | 'carried' | 'received' | 'head'>

/** A log that a mirror follows, and how far the mirror has come in it. */
export interface LogState {
  readonly log: TrackedLog
  readonly checkpoint: Pick<Checkpoint, 'applied'>
  /** The end of the log, where it ends in the middle of a version. */
  readonly unfinished: Version | undefined
}

/** Keeps track of whether a mirror is in sync with its logs. */
export class SyncTracker {
  /** For each log the version at which the mirror is in sync; empty while it isn't. */
  readonly #inSync = new Map<TrackedLog, Version>()
  /** The last number that `received` gave for each log, and since when. */
  readonly #arrivals = new Map<TrackedLog, { readonly received: number; readonly atMs: number }>()

  get isInSync(): boolean {
    return this.#inSync.size > 0
  }

  /** The version of a log at which the mirror is in sync; `undefined` while it isn't. */
  at(log: TrackedLog): Version | undefined {
    return this.#inSync.get(log)
  }

  /** Takes over new forks of the logs. */
  carry(): void {
    for (const [log, version] of this.#inSync) this.#inSync.set(log, log.carried(version))
  }

  /** The mirror stays in sync at a version that changes nothing. */
  advance(log: TrackedLog, version: Version): void {
    this.#inSync.set(log, version)
  }

  clear(): void {
    this.#inSync.clear()
  }

  /**
   * Finds out whether the mirror is in sync with the newest version of every log.
   *
   * @param isHurried whether pending paths are tried again at once
   * @returns whether it is, and wasn't before
   */
  async check(logs: readonly LogState[], isHurried: boolean, signal: AbortSignal): Promise<boolean> {
    const receivedMs = new Map<TrackedLog, number>()
    for (const { log } of logs) receivedMs.set(log, await this.#receivedMs(log))
    // Without a pause, so that all facts are of one moment.
    let facts = logs.map((state) => this.#factsOf(state, receivedMs.get(state.log) ?? 0))
    const isNew = facts.some(({ version, inSync }) => inSync === undefined || !sameVersion(version, inSync))
    let decision = convergence(facts, isHurried)
    if (decision === 'in-sync' && !isNew) return false
    this.clear()
    if (decision === 'head-needed') {
      facts = await Promise.all(facts.map((each, i) => withHead(each, logs[i]?.log, signal)))
      decision = convergence(facts, isHurried)
    }
    if (decision !== 'in-sync') return false
    for (const [i, { version }] of facts.entries()) {
      const log = logs[i]?.log
      if (log !== undefined && version !== undefined) this.#inSync.set(log, version)
    }
    return true
  }

  /** The same for a mirror that is kept at the version `pinned` of a log. */
  checkPinned({ log, checkpoint }: LogState, pinned: Version | undefined, isHurried: boolean): boolean {
    const inSync = this.at(log)
    const decision = pinnedConvergence({ pinned, applied: checkpoint.applied, inSync }, isHurried)
    if (decision === 'in-sync' && sameVersion(pinned, inSync)) return false
    this.clear()
    if (decision !== 'in-sync' || pinned === undefined) return false
    this.#inSync.set(log, pinned)
    return true
  }

  /** When something last came of a log, as far as checks have seen. */
  async #receivedMs(log: TrackedLog): Promise<number> {
    const received = await log.received()
    const known = this.#arrivals.get(log) ?? { received: 0, atMs: 0 }
    if (received === known.received) return known.atMs
    const atMs = performance.now()
    this.#arrivals.set(log, { received, atMs })
    return atMs
  }

  #factsOf({ log, checkpoint: { applied }, unfinished }: LogState, receivedMs: number): LogFacts {
    const { version } = log
    const inSync = this.at(log)
    const isUnfinished = version !== undefined && sameVersion(version, unfinished)
    const isReached = sameVersion(version, inSync) || sameVersion(version, applied) || isUnfinished
    return {
      version,
      applied,
      inSync,
      // Only asked when it matters: the question makes the log doubt peers that claim more and don't send it.
      isNewest: isReached && log.isNewest(version),
      isUnfinished,
      isPartial: undefined,
      quietMs: performance.now() - receivedMs
    }
  }
}

async function withHead(facts: LogFacts, log: TrackedLog | undefined, signal: AbortSignal): Promise<LogFacts> {
  const { version, isUnfinished } = facts
  if (log === undefined || version === undefined || isUnfinished) return facts
  return { ...facts, isPartial: (await log.head(version, signal)).partial }
}
