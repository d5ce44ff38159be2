import { setTimeout as sleep } from 'node:timers/promises'
import { debuglog } from 'node:util'
import { LiveBaseline, settledBy, stateChanges, withoutFresh } from '../baseline/baseline.ts'
import type { Totals } from '../baseline/totals.ts'
import { applyPlan } from '../change/apply-plan.ts'
import { type LocalState, observedOf, observeFolder } from '../change/observe-folder.ts'
import { probeFileSystem } from '../disk/path/capabilities.ts'
import type { State } from '../disk/state/state.ts'
import type { Keeping } from '../disk/write/kept-directory.ts'
import type { Applied } from '../disk/write/materialise.ts'
import { Staging } from '../disk/write/stage.ts'
import { messageOf, SyncError } from '../errors.ts'
import { reached } from '../failpoints.ts'
import { naming } from '../folder/conflict-naming.ts'
import { Debouncer } from '../folder/debouncer.ts'
import { assertMarker, type Folder } from '../folder/folder.ts'
import { FolderQueue } from '../folder/folder-queue.ts'
import { type Monitor, versionFields } from '../folder/monitor.ts'
import { ReplacedFiles } from '../folder/replaced-files.ts'
import type { Workspace } from '../folder/workspace.ts'
import { UnfitSnapshot } from '../log/packed/snapshot.ts'
import type { LogReader } from '../log/reader.ts'
import type { Seen } from '../tree/diff.ts'
import type { FileEntry } from '../tree/entry.ts'
import { exactFileSystem, type FileSystemTraits, foldsNames } from '../tree/file-system.ts'
import type { TreePath } from '../tree/path.ts'
import type { Plan } from '../tree/plan.ts'
import { everything, partOf } from '../tree/select.ts'
import { isEarlier, type Problem, sameVersion, type TreeView, type Version } from '../tree/tree.ts'
import { Checkpoint } from './checkpoint.ts'
import { DivergenceLog } from './divergence-log.ts'
import { countFetched } from './fetch-progress.ts'
import type { MirrorOptions } from './mirror-options.ts'
import { changedTarget, knownSince, type Wanted, wholeTarget } from './mirror-target.ts'
import { PassStalled, PassWatchdog } from './pass-watchdog.ts'
import { PendingPaths } from './pending-paths.ts'
import { planOver, UnrecordedWrites } from './unrecorded-writes.ts'

const trace = debuglog('p2psync:mirror')

/** How often it is looked whether a peer has more, until none has. */
const behindTickMs = 100
/** The same while there is nobody to have more. */
const lonelyTickMs = 1000
const idleTickMs = 10_000
const retryMs = 2000
/** What nobody waits for is fetched when nothing has happened for so long. */
const restMs = 1000
/** A writer that hasn't finished its first look, or a version, but has said nothing for so long, counts as gone. */
const partialQuietMs = 10_000

/** The reader's loop: follows the log, and makes the folder follow it. */
export class Mirror {
  readonly #folder: Folder
  readonly #reader: LogReader
  readonly #state: State
  readonly #monitor: Monitor
  readonly #staging: Staging
  /** Keeps what is replaced or removed. */
  readonly replacedFiles: ReplacedFiles
  readonly #options: MirrorOptions
  readonly #stop = new AbortController()
  readonly #debouncer = new Debouncer({ settleMs: 0, settleMsMax: 0 })
  /** Each pass is one; what else works on the folder comes in between. */
  readonly queue: FolderQueue
  #baseline = new LiveBaseline()
  /** Where the mirror stands in the log. */
  #checkpoint: Checkpoint
  /** The file system as it was when the folder was opened. */
  #traits: FileSystemTraits = exactFileSystem
  /** Whether what is remembered of the folder was read, and still counts. */
  #opened = false
  /** The part of the folder that is wanted. */
  #part = partOf(everything)
  /** The version that is wanted, where it isn't the newest. */
  #pinned: Version | undefined
  /** Whether all is to be looked at, as at a start. */
  #whole = true
  /** Whether the folder may hold what an earlier run wrote and didn't record. */
  #mayHoldUnrecorded = false
  readonly #pending = new PendingPaths()
  readonly #diverged: DivergenceLog
  /** How long the last look at the folder took. */
  #observeMs = 0
  /** Watches over the pass that is being made. */
  #watchdog: PassWatchdog | undefined
  /** When the last one ended. */
  #passedMs = 0
  #inSync: Version | undefined
  /** The end of the log, where its last version isn't whole. */
  #unfinished: Version | undefined
  #arrivals = { received: 0, atMs: 0 }
  #failure: string | undefined
  /** A version that can't be read: the same bytes again would be no better. */
  #damaged: Version | undefined
  #running: Promise<void> | undefined

  constructor(folder: Folder, reader: LogReader, state: State, monitor: Monitor, options: MirrorOptions) {
    this.#folder = folder
    this.#reader = reader
    this.#state = state
    this.#monitor = monitor
    this.#options = options
    this.#checkpoint = new Checkpoint(state)
    this.#diverged = new DivergenceLog(monitor)
    this.queue = options.queue ?? new FolderQueue()
    this.#staging = options.staging ?? new Staging(folder.staging, { ...options, files: options.blocks })
    const isInPlace = (entry: FileEntry) => this.#staging.isInPlace(entry)
    this.replacedFiles =
      options.replacedFiles ?? new ReplacedFiles({ ...options, root: folder.root, log: reader, isInPlace, naming })
    reader.onFailure = (error) => this.#report(error)
    reader.onContentCut = (index) => this.replacedFiles.cut(index)
  }

  /** The version that was applied last, but for the paths that are owed, and what is recorded of the folder. */
  get stand(): { readonly applied: Version | undefined; readonly totals: Readonly<Totals> } {
    return { applied: this.#checkpoint.applied, totals: this.#baseline.totals }
  }

  start(): void {
    this.#options.selection.onChange = () => this.reopen()
    this.#running = this.#run()
  }

  /** Begins anew, with a look at everything. */
  reopen(): void {
    this.#opened = false
    this.#watchdog?.giveUp()
    this.#debouncer.poke()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  /** Reports what keeps the whole from going on; what comes again and again once, until it is over. */
  #report(error: unknown): void {
    if (this.#options.onFailure(error) || this.#failure === messageOf(error)) return
    this.#failure = messageOf(error)
    this.#monitor.error(error)
  }

  /** What else works on the folder gets this; to be asked for in a turn. The log needn't be followed for that. */
  async workspace(): Promise<Workspace> {
    if (!this.#opened) await this.#open()
    const version = this.#checkpoint.whole
    const [keeper, { workers }] = [this.replacedFiles, this.#options]
    const [folder, monitor, staging, baseline] = [this.#folder, this.#monitor, this.#staging, this.#baseline]
    return {
      ...{ folder, monitor, staging, workers, replacedFiles: keeper, baseline, part: this.#part, traits: this.#traits },
      ...{ version, touched: () => this.reopen() },
      content: (patienceMs) => this.#reader.content(this.#options.received, { patienceMs }),
      record: (applied) => this.#record(applied),
      settled: async (paths) => {
        for (const path of paths) this.#diverged.forget(path)
        if (version !== undefined) await this.#checkpoint.apply(version, { whole: true })
      }
    }
  }

  // The loop

  async #run(): Promise<void> {
    const { signal } = this.#stop
    const unsubscribe = this.#reader.onChange(() => this.#debouncer.poke())
    while (!signal.aborted) {
      try {
        await this.queue.pass(async () => {
          if (!this.#opened) await this.#open()
          if (this.#damaged === undefined || !sameVersion(this.#damaged, this.#reader.version)) await this.#follow()
        })
        if (this.#failure !== undefined && this.#inSync !== undefined) {
          this.#failure = undefined
          this.#monitor.emit({ type: 'notice', message: `Going on with ${this.#folder.root}` })
        }
        await this.#debouncer.settled(this.#tickMs(), signal)
      } catch (error) {
        if (signal.aborted) break
        // Everything is looked at anew: what was done is found done. What changed since the version that
        // was applied last wouldn't do: a path may be ahead of it, and the log have gone back since.
        this.#opened = false
        if (error instanceof PassStalled || error instanceof UnfitSnapshot) continue
        this.#report(error)
        await sleep(retryMs, undefined, { signal }).catch(() => {})
      }
    }
    unsubscribe()
  }

  #tickMs(): number {
    if (this.#inSync !== undefined) return idleTickMs
    return this.#reader.hasPeers ? behindTickMs : lonelyTickMs
  }

  async #open(): Promise<void> {
    // What changes from here on counts the next time.
    this.#opened = true
    this.#part = this.#options.selection.part
    assertMarker(this.#folder)
    const aside = this.#staging.open()
    reached('staging-emptied')
    this.#traits = probeFileSystem(this.#folder.staging)
    this.#baseline = await LiveBaseline.of(this.#state.records(), this.#options.blocks)
    await this.replacedFiles.open(aside, this.#baseline, this.#monitor)
    await this.#checkpoint.load()
    await this.#checkpoint.choose(this.#part)
    // Without either, nothing was ever written here.
    this.#mayHoldUnrecorded = this.#checkpoint.hasBegun || this.#baseline.records.size > 0
    this.#pending.entries.clear()
    this.#inSync = undefined
    this.#whole = true
  }

  async #follow(): Promise<void> {
    assertMarker(this.#folder)
    const { carried } = this.#reader
    await this.#checkpoint.carry(carried)
    this.#inSync = this.#inSync && carried(this.#inSync)
    const version = await this.#finishedVersion()
    const owes = this.#pending.isDue(foldsNames(this.#traits) ? this.#observeMs : 0)
    if (version !== undefined && (this.#whole || owes || !sameVersion(version, this.#checkpoint.applied))) {
      if (this.#goesBack(version)) return
      // A new path may give others another name there, far from where anything changed.
      const full = this.#whole || !isAhead(version, this.#checkpoint.applied) || foldsNames(this.#traits)
      const wasInSync = sameVersion(this.#inSync, this.#checkpoint.applied)
      const news = await this.#pass(version, full)
      this.#whole = false
      if (!sameVersion(version, this.#inSync)) this.#inSync = !news && wasInSync ? version : undefined
      this.#reader.fetchRest(
        version,
        () => this.#watchdog === undefined && performance.now() - this.#passedMs >= restMs
      )
    }
    await this.replacedFiles.sweep()
    await this.#checkInSync()
  }

  /** The latest version that is whole: what comes after it is waited for. */
  async #finishedVersion(): Promise<Version | undefined> {
    const { version } = this.#reader
    const { selection: aim } = this.#options
    this.#unfinished = undefined
    this.#pinned = undefined
    if (version !== undefined && aim.isPinned) {
      this.#pinned = await this.#watched(version, (signal) => aim.pinned(this.#reader, version, signal))
      return this.#pinned
    }
    if (version === undefined || sameVersion(version, this.#checkpoint.applied)) return version
    return this.#watched(version, async (signal) => {
      const finished = await this.#reader.finished(version, signal)
      if (!sameVersion(finished, version)) this.#unfinished = version
      return finished
    })
  }

  #goesBack(version: Version): boolean {
    const rollback = this.#pinned === undefined ? this.#checkpoint.rollback(version) : undefined
    if (rollback !== undefined && this.#reader.isNewest(version)) this.#report(rollback)
    return rollback !== undefined
  }

  async #checkInSync(): Promise<void> {
    if (this.#options.selection.isPinned) return this.#checkPinned()
    const version = this.#reader.version
    if (this.#inSync !== undefined && sameVersion(this.#inSync, version) && this.#reader.isNewest(version)) return
    this.#inSync = undefined
    const received = await this.#reader.received()
    if (received !== this.#arrivals.received) this.#arrivals = { received, atMs: performance.now() }
    const applied = this.#checkpoint.applied
    if (version === undefined || applied === undefined || this.#pending.isHurried || !this.#reader.isNewest(version))
      return
    const unfinished = sameVersion(version, this.#unfinished)
    if (!unfinished && !sameVersion(version, applied)) return
    const moreToCome = unfinished || (await this.#reader.head(version, this.#stop.signal)).partial
    if (moreToCome && performance.now() - this.#arrivals.atMs < partialQuietMs) return
    this.#inSync = version
    this.#monitor.emit({ type: 'in-sync', ...versionFields(applied) })
  }

  #checkPinned(): void {
    const { applied } = this.#checkpoint
    if (this.#pinned === undefined || !sameVersion(this.#pinned, applied)) this.#inSync = undefined
    else if (!sameVersion(this.#pinned, this.#inSync) && !this.#pending.isHurried) {
      this.#inSync = this.#pinned
      this.#monitor.emit({ type: 'in-sync', ...versionFields(this.#pinned) })
    }
  }

  // One pass

  /** @returns whether there was anything to be told of */
  async #pass(version: Version, full: boolean): Promise<boolean> {
    assertMarker(this.#folder)
    const { applied, whole } = this.#checkpoint
    return this.#watched(version, async (signal) => {
      await this.#checkpoint.see(version)
      trace('version %d, fork %d: fetching its entries', version.length, version.fork)
      const known = full ? knownSince(whole, version, this.#traits) : applied
      if (known !== undefined) await this.#reader.fetchChanges(known, version, signal)
      else await this.#reader.fetch(version, signal)
      reached('entries-fetched')
      return this.#apply(version, full, signal)
    })
  }

  /** Does what waits for peers, watched over. */
  async #watched<T>(version: Version, act: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const watch = new PassWatchdog({
      stop: this.#stop.signal,
      received: this.#options.received,
      isOutdated: () =>
        this.queue.areWanted || (this.#pinned === undefined && !sameVersion(this.#reader.version, version))
    })
    this.#watchdog = watch
    try {
      return await act(watch.signal)
    } catch (error) {
      watch.signal.throwIfAborted() // What was cut short fails in many ways; this is why.
      if (error instanceof SyncError && error.code === 'DAMAGED') this.#damaged = version
      throw error
    } finally {
      watch.end()
      this.#watchdog = undefined
      this.#passedMs = performance.now()
    }
  }

  async #apply(version: Version, full: boolean, signal: AbortSignal): Promise<boolean> {
    // Waiting may have taken long: the disk may have gone, the log may have another past.
    assertMarker(this.#folder)
    if (this.#reader.version?.fork !== version.fork) throw new PassStalled('The log has another past')
    const baseline = this.#baseline
    const onProblem = (problem: Problem) => this.#monitor.problem(problem)
    const from = {
      reader: this.#reader,
      baseline,
      version,
      head: await this.#reader.head(version, signal),
      applied: full ? this.#checkpoint.whole : this.#checkpoint.applied,
      safeLinks: this.#options.safeLinks,
      part: this.#part,
      signal,
      traits: this.#traits,
      onProblem
    }
    const wanted = full ? await wholeTarget(from) : await changedTarget(from, this.#pending.entries)
    trace('%d paths to plan for', wanted.paths.size)
    reached('target-made')
    if (!full && wanted.paths.size === 0) return this.#applyNothing(version)
    const past = this.#mayHoldUnrecorded && full ? await this.#unrecordedWrites(version, signal) : undefined
    const startMs = performance.now()
    const { local, seen, signatures, isUnchanged, unclear } = await this.#observe(wanted, full, past)
    this.#observeMs = performance.now() - startMs
    // What is recorded may be called otherwise since.
    const planned = foldsNames(this.#traits)
      ? { ...wanted, paths: new Set([...wanted.paths, ...baseline.records.keys()]) }
      : wanted
    const isDone = (path: TreePath) => isUnchanged(path) && wanted.isRecorded(path)
    const input = {
      base: { get: (path: TreePath) => baseline.entry(path) },
      local,
      target: wanted.target,
      paths: new Set([...planned.paths, ...(past?.paths ?? [])].filter((path) => !unclear.has(path) && !isDone(path))),
      holderOf: (hash: string) => baseline.holderOf(hash)
    }
    const plan = await planOver(input, past, () => this.#unrecordedWrites(version, signal))
    trace('%d steps, %d conflicts, %d diverged', plan.steps.length, plan.conflicts.length, plan.diverged.length)
    reached('planned')
    const observed = observedOf(plan, seen)
    await this.#record(settledBy(plan, { target: wanted.target, signatures, records: baseline.records }))
    reached('settled')
    this.#diverged.tell(plan, full)
    const keeping = this.replacedFiles.of({ ...plan, local, observed }, baseline)
    const { failed, changed, wrong } = await this.#materialise(plan, wanted.target, { observed, keeping }, signal)
    if (full) this.#pending.entries.clear()
    this.#keepAccount(
      { ...planned, refused: new Set([...wanted.refused, ...wrong]) },
      full,
      new Set([...failed, ...changed, ...unclear]),
      changed
    )
    trace('done, %d paths failed, %d changed meanwhile', failed.size, changed.size)
    await this.#applyVersion(version, plan)
    return true
  }

  #keepAccount(
    { paths, target, refused }: Wanted,
    full: boolean,
    owed: ReadonlySet<TreePath>,
    changed: ReadonlySet<TreePath>
  ): void {
    const again = this.#pending.tried(paths, target, owed, { hurried: changed.size > 0 })
    this.#staging.prune(this.#pending.entries.values())
    // A whole pass has met all that is wrong, also with paths that nobody wants any more.
    const isPlanned = (path: string) => full || paths.has(path as TreePath)
    this.#monitor.solve(({ path }) => isPlanned(path) && !owed.has(path as TreePath) && !refused.has(path))
    if (!again) return
    const told = new Set(this.#monitor.problems.map(({ path }) => path))
    for (const path of changed) {
      if (told.has(path)) continue
      this.#monitor.problem({ path, action: 'write', message: 'It changes here again and again; it is tried again' })
    }
  }

  #unrecordedWrites(version: Version, signal: AbortSignal): Promise<UnrecordedWrites> {
    const { since, parts } = this.#checkpoint
    return UnrecordedWrites.read(
      this.#reader,
      since,
      this.#checkpoint.latest(version, this.#reader.version),
      parts,
      signal
    )
  }

  #observe({ target, paths }: Wanted, full: boolean, past?: UnrecordedWrites): Promise<LocalState> {
    return observeFolder(
      this.#folder.root,
      { baseline: this.#baseline, target, paths, full, mayBeOurs: past && ((path) => past.has(path)) },
      {
        signal: this.#stop.signal,
        traits: this.#traits,
        onRealigned: (moved) => this.#record(this.#baseline.renamed(moved)),
        onProblem: (problem) => this.#monitor.problem(problem),
        onScanned: (files) => {
          this.#monitor.emit({ type: 'progress', phase: 'scan', files, filesTotal: files, bytes: 0, bytesTotal: 0 })
        },
        onRead: () => this.#watchdog?.active()
      }
    )
  }

  async #materialise(
    plan: Plan,
    target: TreeView,
    taking: { readonly observed: ReadonlyMap<TreePath, Seen>; readonly keeping: Keeping },
    signal: AbortSignal
  ): Promise<{ failed: ReadonlySet<TreePath>; changed: ReadonlySet<TreePath>; wrong: ReadonlySet<TreePath> }> {
    const failed = new Set<TreePath>()
    // Their contents aren't what the log says: not worth another try before the log says something else.
    const wrong = new Set<TreePath>()
    if (plan.steps.length === 0) return { failed, changed: failed, wrong }
    await this.#checkpoint.begin()
    const content = await this.#reader.content(this.#options.received, { impatient: this.#pinned !== undefined })
    const notHad = new Set<TreePath>()
    const counter = countFetched(plan, this.#monitor, () => this.#watchdog?.active())
    const common = {
      folder: this.#folder,
      staging: this.#staging,
      monitor: this.#monitor,
      workers: this.#options.workers
    }
    const conflicts = new Set(plan.conflicts.map(({ path }) => path))
    const changed = await applyPlan(
      { ...common, ...taking, steps: plan.steps, target, conflicts, content },
      {
        signal,
        onApplied: (applied) => this.#record(applied, counter.files),
        onProblem: (problem) => {
          if (problem.action === 'log') wrong.add(problem.path as TreePath)
          else failed.add(problem.path as TreePath)
          this.#monitor.problem(problem)
          if (problem.action === 'fetch') notHad.add(problem.path as TreePath)
        },
        onBytes: counter.bytes
      }
    )
    // What nobody has of an earlier version won't come by itself.
    return { failed, changed: new Set([...changed, ...(this.#pinned === undefined ? notHad : [])]), wrong }
  }

  async #record({ put: written, removed }: Applied, onFiles?: (count: number) => void): Promise<void> {
    if (written.size === 0 && removed.size === 0) return
    const put = withoutFresh(written, this.#traits)
    for (const [path, record] of put) this.#baseline.put(path, record)
    for (const path of removed) this.#baseline.remove(path)
    this.#checkpoint.between()
    await this.#state.commitAll(stateChanges(put, removed))
    reached('baseline-recorded')
    await this.#reader.release(this.#options.blocks.takeDropped(), this.#options.blocks.isHeld)
    await this.replacedFiles.sweep(put)
    onFiles?.(put.size + removed.size)
  }

  /** A version without changes is noted, and nothing said of it. */
  async #applyNothing(version: Version): Promise<false> {
    await this.#checkpoint.apply(version, {
      whole: this.#pending.entries.size === 0 && this.#monitor.problems.length === 0
    })
    reached('applied-noted')
    return false
  }

  async #applyVersion(version: Version, plan: Plan): Promise<void> {
    const { files, bytes } = this.#baseline.totals
    const changes = plan.steps.length
    const problems = this.#monitor.problems.length
    // With something owed or wrong, the next start has to look at all that the version wants.
    const whole = this.#pending.entries.size === 0 && problems === 0
    if (this.#pending.entries.size === 0) this.#mayHoldUnrecorded = false
    const news = await this.#checkpoint.apply(version, { whole })
    reached('applied-noted')
    if (news || changes > 0) {
      this.#monitor.emit({ type: 'applied', ...versionFields(version), files, bytes, changes, problems })
    }
  }
}

/** Whether `version` can have come of `earlier` by changes alone. */
function isAhead(version: Version, earlier: Version | undefined): boolean {
  return earlier?.fork === version.fork && !isEarlier(version, earlier)
}
