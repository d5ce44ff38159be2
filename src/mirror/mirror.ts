import { setTimeout as sleep } from 'node:timers/promises'
import { debuglog } from 'node:util'
import { LiveBaseline, stateChanges, withoutFresh } from '../baseline/baseline.ts'
import { Totals } from '../baseline/totals.ts'
import { probeFileSystem } from '../disk/path/capabilities.ts'
import type { State, StateBatch } from '../disk/state/state.ts'
import type { Applied } from '../disk/write/materialise.ts'
import { Staging } from '../disk/write/stage.ts'
import { SyncError } from '../errors.ts'
import { reached } from '../failpoints.ts'
import { naming } from '../folder/conflict-host.ts'
import { Debouncer } from '../folder/debouncer.ts'
import { assertMarker, type Folder } from '../folder/folder.ts'
import { FolderQueue } from '../folder/folder-queue.ts'
import { type Monitor, versionFields } from '../folder/monitor.ts'
import { ReplacedFiles } from '../folder/replaced-files.ts'
import type { Workspace } from '../folder/workspace.ts'
import { UnfitSnapshot } from '../log/packed/snapshot.ts'
import type { FileEntry } from '../tree/entry.ts'
import { type FileSystemTraits, foldsNames } from '../tree/file-system.ts'
import type { Part } from '../tree/select.ts'
import { isEarlier, sameVersion, type Version } from '../tree/tree.ts'
import { applyVersion, type PassScope } from './apply-version.ts'
import { Checkpoint } from './checkpoint.ts'
import { DivergenceLog } from './divergence-log.ts'
import { FailureReport } from './failure-report.ts'
import type { FollowedLog } from './followed-log.ts'
import type { MirrorOptions } from './mirror-options.ts'
import { knownSince } from './mirror-target.ts'
import { PassStalled, WatchedPasses } from './pass-watchdog.ts'
import { PendingPaths } from './pending-paths.ts'
import { recordOutcome } from './record-outcome.ts'
import { SyncTracker } from './sync-tracker.ts'
import { UnrecordedWrites } from './unrecorded-writes.ts'

const trace = debuglog('p2psync:mirror')

/** How often to ask peers for newer versions until in sync, in milliseconds. */
const behindTickMs = 100
/** The same without any peer. */
const lonelyTickMs = 1000
const idleTickMs = 10_000
/** How long to wait after an error, in milliseconds. */
const retryMs = 2000
/** How long after the last pass the rest of the log is fetched, in milliseconds: nobody waits for it. */
const restMs = 1000

/** What a mirror knows of its folder, from one opening to the next. */
interface OpenedMirror {
  /** The part of the log's tree that the folder holds. */
  readonly part: Part
  readonly traits: FileSystemTraits
  readonly baseline: LiveBaseline
  readonly checkpoint: Checkpoint
  /** Replaced after each pass. */
  passes: PassMemory
}

interface PassMemory {
  /** Whether no pass was made since the folder was opened, so that the next has to scan all of it. */
  readonly isFirst: boolean
  /** Whether the folder may hold what an earlier run wrote and didn't record. */
  readonly mayHoldUnrecorded: boolean
  /** How long it took to observe the folder in the last pass, in milliseconds. */
  readonly observeMs: number
}

/** The version that the mirror is to hold next. */
interface Goal {
  /** `undefined` before the first finished one, and while it isn't known which one is pinned. */
  readonly version: Version | undefined
  readonly isPinned: boolean
  /** The end of the log, where it ends in the middle of a version. */
  readonly unfinished: Version | undefined
}

/** The reader's loop: follows a log, and makes the folder follow it. */
export class Mirror {
  /** Runs the passes, and other work on the folder between them. */
  readonly queue: FolderQueue
  readonly replacedFiles: ReplacedFiles
  readonly #folder: Folder
  readonly #log: FollowedLog
  readonly #state: State
  readonly #monitor: Monitor
  readonly #options: MirrorOptions
  readonly #staging: Staging
  readonly #stop = new AbortController()
  readonly #debouncer = new Debouncer({ settleMs: 0, settleMsMax: 0 })
  readonly #pending = new PendingPaths()
  readonly #sync = new SyncTracker()
  readonly #diverged: DivergenceLog
  readonly #failures: FailureReport
  readonly #passes: WatchedPasses
  #opened: OpenedMirror | undefined
  /** Whether the folder has to be opened anew before the next pass. */
  #isStale = true
  /** A version that can't be read: another try would read the same bytes. */
  #damaged: Version | undefined
  #running: Promise<void> | undefined

  constructor(folder: Folder, log: FollowedLog, state: State, monitor: Monitor, options: MirrorOptions) {
    const { blocks, inPlaceAbove, keepReplaced, workers, received, onFailure } = options
    this.#folder = folder
    this.#log = log
    this.#state = state
    this.#monitor = monitor
    this.#options = options
    const staging = options.staging ?? new Staging(folder.staging, { inPlaceAbove, files: blocks, workers })
    const isInPlace = (entry: FileEntry) => staging.isInPlace(entry)
    this.#staging = staging
    this.queue = options.queue ?? new FolderQueue()
    this.replacedFiles =
      options.replacedFiles ?? new ReplacedFiles({ root: folder.root, blocks, log, keepReplaced, isInPlace, naming })
    this.#diverged = new DivergenceLog(monitor)
    this.#failures = new FailureReport(monitor, onFailure)
    this.#passes = new WatchedPasses({ stop: this.#stop.signal, received })
    log.onFailure(this.#failures.report)
    log.onContentCut((block) => this.replacedFiles.cut(block))
  }

  /** The version that was applied last, except for pending paths, and totals of the baseline. */
  get stand(): { readonly applied: Version | undefined; readonly totals: Readonly<Totals> } {
    const opened = this.#opened
    return { applied: opened?.checkpoint.applied, totals: opened?.baseline.totals ?? new Totals() }
  }

  start(): void {
    this.#running = this.#run()
  }

  /** Begins anew, with a pass over the whole folder. */
  reopen(): void {
    this.#isStale = true
    this.#passes.giveUp()
    this.#debouncer.poke()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  /** State lent to other operations, also before `start`. Call it inside a turn of the queue. */
  async workspace(): Promise<Workspace> {
    return this.#workspaceOf(await this.#open())
  }

  #workspaceOf(opened: OpenedMirror): Workspace {
    const { part, traits, baseline, checkpoint } = opened
    const version = checkpoint.complete
    return {
      folder: this.#folder,
      monitor: this.#monitor,
      staging: this.#staging,
      workers: this.#options.workers,
      replacedFiles: this.replacedFiles,
      baseline,
      part,
      traits,
      version,
      touched: () => this.reopen(),
      content: (patienceMs) => this.#log.content(this.#options.received, { patienceMs }),
      record: (applied) => this.#record(opened, applied),
      settled: async (paths) => {
        for (const path of paths) this.#diverged.forget(path)
        if (version !== undefined) await checkpoint.apply(version, { complete: true })
      }
    }
  }

  // The loop

  async #run(): Promise<void> {
    const { signal } = this.#stop
    const endSelection = this.#options.selection.onChange(() => this.reopen())
    const endLog = this.#log.onChange(() => this.#debouncer.poke())
    while (!signal.aborted) {
      try {
        await this.queue.pass(async () => {
          const opened = await this.#open()
          if (this.#damaged === undefined || !sameVersion(this.#damaged, this.#log.version)) await this.#follow(opened)
        })
        if (this.#sync.isInSync && this.#failures.clear()) {
          this.#monitor.emit({ type: 'notice', message: `Going on with ${this.#folder.root}` })
        }
        await this.#debouncer.settled(this.#tickMs(), signal)
      } catch (error) {
        if (signal.aborted) break
        // The next pass is over the whole folder, and finds done what was done. One over the changes since the version
        // that was applied last wouldn't do: a path may be ahead of that version, and the log have gone back since.
        this.#isStale = true
        if (error instanceof PassStalled || error instanceof UnfitSnapshot) continue
        this.#failures.report(error)
        await sleep(retryMs, undefined, { signal }).catch(() => {})
      }
    }
    endSelection()
    endLog()
  }

  #tickMs(): number {
    if (this.#sync.isInSync) return idleTickMs
    return this.#log.hasPeers ? behindTickMs : lonelyTickMs
  }

  /** Reads the state of the folder, unless it was read and still counts. */
  async #open(): Promise<OpenedMirror> {
    if (this.#opened !== undefined && !this.#isStale) return this.#opened
    // A change of the selection from here on makes it stale again.
    this.#isStale = false
    try {
      this.#opened = await this.#read()
      return this.#opened
    } catch (error) {
      this.#isStale = true
      throw error
    }
  }

  async #read(): Promise<OpenedMirror> {
    const { part } = this.#options.selection
    assertMarker(this.#folder)
    const aside = this.#staging.open()
    reached('staging-emptied')
    const traits = probeFileSystem(this.#folder.staging)
    const baseline = await this.#loadBaseline()
    await this.replacedFiles.open(aside, baseline, this.#monitor)
    const checkpoint = await Checkpoint.of(this.#state)
    await checkpoint.selectPart(part)
    this.#pending.clear()
    this.#sync.clear()
    // Without a checkpoint and a baseline nothing was ever written here.
    const mayHoldUnrecorded = checkpoint.hasBegun || baseline.records.size > 0
    return { part, traits, baseline, checkpoint, passes: { isFirst: true, mayHoldUnrecorded, observeMs: 0 } }
  }

  #loadBaseline(): Promise<LiveBaseline> {
    const { loadBaseline, blocks } = this.#options
    return loadBaseline?.() ?? LiveBaseline.of(this.#state.records(), blocks)
  }

  async #follow(opened: OpenedMirror): Promise<void> {
    assertMarker(this.#folder)
    await opened.checkpoint.carry(this.#log.carried)
    this.#sync.carry()
    const goal = await this.#findGoal(opened)
    const { version } = goal
    if (version !== undefined && this.#isPassDue(opened, version)) {
      if (this.#isRolledBack(opened, version, goal)) return
      await this.#pass(opened, version, goal)
      this.#log.fetchRest(version, () => this.#passes.areIdleFor(restMs))
    }
    await this.replacedFiles.sweep()
    await this.#checkSync(opened, goal)
  }

  /** The latest finished version, or the pinned one. The mirror waits for the rest of an unfinished version. */
  async #findGoal({ checkpoint }: OpenedMirror): Promise<Goal> {
    const { selection } = this.#options
    const { isPinned } = selection
    const { version } = this.#log
    if (version === undefined) return { version, isPinned, unfinished: undefined }
    if (isPinned) {
      const pinned = await this.#watched(version, false, (signal) => selection.pinned(this.#log, version, signal))
      return { version: pinned, isPinned, unfinished: undefined }
    }
    if (sameVersion(version, checkpoint.applied)) return { version, isPinned, unfinished: undefined }
    const finished = await this.#watched(version, false, (signal) => this.#log.finished(version, signal))
    return { version: finished, isPinned, unfinished: sameVersion(finished, version) ? undefined : version }
  }

  #isPassDue({ checkpoint, passes, traits }: OpenedMirror, version: Version): boolean {
    if (passes.isFirst || !sameVersion(version, checkpoint.applied)) return true
    return this.#pending.isDue(foldsNames(traits) ? passes.observeMs : 0)
  }

  /** Whether the log has gone back. It is reported once no peer has anything later. */
  #isRolledBack({ checkpoint }: OpenedMirror, version: Version, { isPinned }: Goal): boolean {
    const rollback = isPinned ? undefined : checkpoint.rollback(version)
    if (rollback !== undefined && this.#log.isNewest(version)) this.#failures.report(rollback)
    return rollback !== undefined
  }

  async #checkSync({ checkpoint }: OpenedMirror, { version, isPinned, unfinished }: Goal): Promise<void> {
    // The selection has changed since the goal was found.
    if (this.#isStale) return
    const { isHurried } = this.#pending
    const state = { log: this.#log, checkpoint, unfinished }
    const isNew = isPinned
      ? this.#sync.checkPinned(state, version, isHurried)
      : await this.#sync.check([state], isHurried, this.#stop.signal)
    const { applied } = checkpoint
    if (isNew && applied !== undefined) this.#monitor.emit({ type: 'in-sync', ...versionFields(applied) })
  }

  // One pass

  async #pass(opened: OpenedMirror, version: Version, { isPinned }: Goal): Promise<void> {
    const { checkpoint } = opened
    assertMarker(this.#folder)
    const wasInSync = sameVersion(this.#sync.at(this.#log), checkpoint.applied)
    const isNew = await this.#watched(version, isPinned, async (signal) => {
      await checkpoint.beginVersion(version)
      const scope = scopeOf(opened, version)
      await this.#fetchEntries(opened, version, scope, signal)
      reached('entries-fetched')
      return this.#apply(opened, version, scope, { isPinned, signal })
    })
    opened.passes = { ...opened.passes, isFirst: false }
    if (sameVersion(version, this.#sync.at(this.#log))) return
    // Nobody hears of a version that changes nothing.
    if (!isNew && wasInSync) this.#sync.advance(this.#log, version)
    else this.#sync.clear()
  }

  async #fetchEntries({ traits }: OpenedMirror, version: Version, scope: PassScope, signal: AbortSignal) {
    trace('version %d, fork %d: fetching its entries', version.length, version.fork)
    const known = scope.full ? knownSince(scope.complete, version, traits) : scope.applied
    if (known !== undefined) await this.#log.fetchChanges(known, version, signal)
    else await this.#log.fetch(version, signal)
  }

  /** @returns whether the version wanted anything new */
  async #apply(
    opened: OpenedMirror,
    version: Version,
    scope: PassScope,
    { isPinned, signal }: { readonly isPinned: boolean; readonly signal: AbortSignal }
  ): Promise<boolean> {
    const { part, checkpoint, passes, baseline } = opened
    const content = () => this.#log.content(this.#options.received, { impatient: isPinned })
    const outcome = await applyVersion(
      {
        workspace: { ...this.#workspaceOf(opened), part, content },
        log: this.#log,
        version,
        scope,
        pending: this.#pending,
        safeLinks: this.#options.safeLinks,
        retriesMissing: !isPinned,
        mayHoldUnrecorded: passes.mayHoldUnrecorded
      },
      {
        signal,
        closing: this.#stop.signal,
        readUnrecorded: () => this.#readUnrecorded(opened, version, signal),
        onPlanned: (plan) => this.#diverged.report(plan, scope.full),
        onWriting: () => checkpoint.beginWriting(),
        onActive: this.#passes.active,
        onWork: this.#passes.beginWork
      }
    )
    if (outcome !== undefined) {
      recordOutcome(outcome, scope.full, { pending: this.#pending, staging: this.#staging, monitor: this.#monitor })
      const mayHoldUnrecorded = passes.mayHoldUnrecorded && !this.#pending.isEmpty
      opened.passes = { ...passes, mayHoldUnrecorded, observeMs: outcome.observeMs }
    }
    const { files, bytes } = baseline.totals
    const problems = this.#monitor.problems.length
    // With a pending path or a problem, the next start has to look at all that the version wants.
    const isNew = await checkpoint.apply(version, { complete: this.#pending.isEmpty && problems === 0 })
    reached('applied-noted')
    const changes = outcome?.plan.steps.length ?? 0
    if (outcome !== undefined && (isNew || changes > 0)) {
      this.#monitor.emit({ type: 'applied', ...versionFields(version), files, bytes, changes, problems })
    }
    return outcome !== undefined
  }

  /** Runs what waits for peers, until it is outdated and makes no progress. */
  async #watched<T>(version: Version, isPinned: boolean, act: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const isOutdated = () => this.queue.areWanted || (!isPinned && !sameVersion(this.#log.version, version))
    try {
      return await this.#passes.run(isOutdated, act)
    } catch (error) {
      if (error instanceof SyncError && error.code === 'DAMAGED') this.#damaged = version
      throw error
    }
  }

  #readUnrecorded({ checkpoint }: OpenedMirror, version: Version, signal: AbortSignal): Promise<UnrecordedWrites> {
    const to = checkpoint.latestWritten(version, this.#log.version)
    return UnrecordedWrites.read(this.#log, checkpoint.unrecordedSince, to, checkpoint.parts, signal)
  }

  async #record({ baseline, checkpoint, traits }: OpenedMirror, { put: written, removed }: Applied): Promise<void> {
    if (written.size === 0 && removed.size === 0) return
    const put = withoutFresh(written, traits)
    for (const [path, record] of put) baseline.put(path, record)
    for (const path of removed) baseline.remove(path)
    await this.#state.commitAll(after(checkpoint.invalidate(), stateChanges(put, removed)))
    reached('baseline-recorded')
    const { blocks } = this.#options
    await this.#log.release(blocks.takeDropped(), blocks.isHeld)
    await this.replacedFiles.sweep(put)
  }
}

function* after(first: (batch: StateBatch) => void, others: Iterable<(batch: StateBatch) => void>) {
  yield first
  yield* others
}

/** What a pass for `version` has to look at. */
function scopeOf({ checkpoint, passes, traits }: OpenedMirror, version: Version): PassScope {
  const { applied, complete } = checkpoint
  // A new path may give others another name where names are folded, far from where anything changed.
  if (!passes.isFirst && isAhead(version, applied) && !foldsNames(traits)) return { full: false, applied }
  return { full: true, complete }
}

/** Whether changes alone may lead from `earlier` to `version`. */
function isAhead(version: Version, earlier: Version | undefined): earlier is Version {
  return earlier?.fork === version.fork && !isEarlier(version, earlier)
}
