import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { debuglog } from 'node:util'
import { type Applied, materialise } from '../disk/materialise.ts'
import { Staging } from '../disk/stage.ts'
import type { State } from '../disk/state.ts'
import { messageOf } from '../errors.ts'
import type { LogReader } from '../log/reader.ts'
import { reached } from '../steps.ts'
import type { BaselineRecord, Seen } from '../tree/diff.ts'
import type { Entry } from '../tree/entry.ts'
import type { TreePath } from '../tree/path.ts'
import { type Plan, planPaths } from '../tree/plan.ts'
import { type Problem, sameVersion, type TreeView, type Version } from '../tree/tree.ts'
import { LiveBaseline } from './baseline.ts'
import { assertMarker, type Folder } from './folder.ts'
import { type Look, lookAt } from './look.ts'
import { type Monitor, versionFields } from './monitor.ts'
import { Past } from './past.ts'
import { Schedule } from './schedule.ts'
import { changedTarget, type Wanted, wholeTarget } from './target.ts'

const trace = debuglog('p2psync:mirror')

/** How often it is looked whether a peer has more, until none has. */
const behindTickMs = 100
/** The same while there is nobody to have more. */
const lonelyTickMs = 1000
const idleTickMs = 10_000
/** What couldn't be done is tried again this often. */
const owedRetryMs = 30_000
/** What changed while it was to be written is planned anew so many times before that. */
const hurryMax = 5
const retryMs = 2000
/** A pass that gets no more bytes than keep a connection alive is given up when a newer version is there. */
const stallMs = 5000
const stallBytesMin = 4096
/** A writer that hasn't finished its first look, but has said nothing for so long, counts as finished. */
const partialQuietMs = 10_000

/** The reader's loop: follows the log, and makes the folder follow it. */
export class Mirror {
  readonly #folder: Folder
  readonly #reader: LogReader
  readonly #state: State
  readonly #monitor: Monitor
  readonly #staging: Staging
  readonly #received: () => number
  readonly #stop = new AbortController()
  readonly #schedule = new Schedule({ settleMs: 0, settleMsMax: 0 })
  #baseline = new LiveBaseline(new Map())
  #applied: Version | undefined
  /** The last version that was applied as a whole, as it was noted. */
  #since: Version | undefined
  /** Whether the folder may hold what an earlier run wrote and didn't record. */
  #mayHoldMore = false
  /** What a version wanted and couldn't be done: tried again. */
  readonly #owed = new Map<TreePath, Entry | undefined>()
  #triedMs = 0
  #hurry = 0
  /** When a pass has last come forward, by what it received or by its own work. */
  #activeMs = 0
  #inSync: Version | undefined
  #arrivals = { received: 0, atMs: 0 }
  #failure: string | undefined
  #running: Promise<void> | undefined

  /** @param received tells the bytes received from all peers so far */
  constructor(folder: Folder, reader: LogReader, state: State, monitor: Monitor, received: () => number) {
    this.#folder = folder
    this.#reader = reader
    this.#state = state
    this.#monitor = monitor
    this.#received = received
    this.#staging = new Staging(folder.staging)
    reader.onFailure = (error) => this.#report(error)
  }

  start(): void {
    this.#running = this.#run()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  /** Reports what keeps the whole from going on; what comes again and again once, until it is over. */
  #report(error: unknown): void {
    if (this.#failure === messageOf(error)) return
    this.#failure = messageOf(error)
    this.#monitor.error(error)
  }

  // The loop

  async #run(): Promise<void> {
    const { signal } = this.#stop
    const unsubscribe = this.#reader.onChange(() => this.#schedule.poke())
    let opened = false
    while (!signal.aborted) {
      try {
        if (!opened) await this.#open()
        const full = !opened
        opened = true
        await this.#follow(full)
        if (this.#failure !== undefined && this.#inSync !== undefined) this.#recover()
        await this.#schedule.settled(this.#tickMs(), signal)
      } catch (error) {
        if (signal.aborted) break
        // Everything is looked at anew: what was done is found done. What changed since the version that
        // was applied last wouldn't do: a path may be ahead of it, and the log have gone back since.
        opened = false
        if (error instanceof Stalled) continue
        this.#report(error)
        await sleep(retryMs, undefined, { signal }).catch(() => {})
      }
    }
    unsubscribe()
  }

  #recover(): void {
    this.#failure = undefined
    this.#monitor.emit({ type: 'notice', message: `Going on with ${this.#folder.root}` })
  }

  #tickMs(): number {
    if (this.#inSync !== undefined) return idleTickMs
    return this.#reader.hasPeers ? behindTickMs : lonelyTickMs
  }

  async #open(): Promise<void> {
    assertMarker(this.#folder)
    this.#staging.open()
    reached('staging-emptied')
    this.#baseline = new LiveBaseline(await this.#state.baseline())
    this.#applied = await this.#state.note('applied')
    this.#since = await this.#state.note('since')
    // Without either, nothing was ever written here.
    this.#mayHoldMore = this.#since !== undefined || this.#baseline.records.size > 0
    this.#owed.clear()
    this.#inSync = undefined
  }

  async #follow(full: boolean): Promise<void> {
    const version = this.#reader.version
    const owes = this.#owed.size > 0 && (this.#isHurried || performance.now() - this.#triedMs >= owedRetryMs)
    if (version !== undefined && (full || owes || !sameVersion(version, this.#applied))) {
      if (this.#goesBack(version)) return
      this.#inSync = sameVersion(version, this.#inSync) ? this.#inSync : undefined
      const fresh = full || this.#applied?.fork !== version.fork
      await this.#pass(version, fresh)
    }
    await this.#checkInSync()
  }

  /** A log never gets shorter within a fork; where it seems to, ours is the truth. */
  #goesBack(version: Version): boolean {
    const applied = this.#applied
    if (applied === undefined || version.fork > applied.fork) return false
    return version.fork < applied.fork || version.length < applied.length
  }

  async #checkInSync(): Promise<void> {
    const version = this.#reader.version
    if (this.#inSync !== undefined && sameVersion(this.#inSync, version) && this.#reader.isNewest(version)) return
    this.#inSync = undefined
    const received = await this.#reader.received()
    if (received !== this.#arrivals.received) this.#arrivals = { received, atMs: performance.now() }
    if (version === undefined || !sameVersion(version, this.#applied) || !this.#reader.isNewest(version)) return
    if (this.#isHurried) return
    const { partial } = await this.#reader.head(version)
    if (partial && performance.now() - this.#arrivals.atMs < partialQuietMs) return
    this.#inSync = version
    this.#monitor.emit({ type: 'in-sync', ...versionFields(version) })
  }

  // One pass

  async #pass(version: Version, full: boolean): Promise<void> {
    assertMarker(this.#folder)
    const { signal, end } = this.#passSignal(version)
    try {
      trace('version %d, fork %d: fetching its entries', version.length, version.fork)
      await this.#reader.fetch(version, signal)
      reached('entries-fetched')
      await this.#apply(version, full, signal)
    } catch (error) {
      signal.throwIfAborted() // What was cut short fails in many ways; this is why.
      throw error
    } finally {
      end()
    }
  }

  async #apply(version: Version, full: boolean, signal: AbortSignal): Promise<void> {
    // Waiting may have taken long: the disk may have gone, the log may have another past.
    assertMarker(this.#folder)
    if (this.#reader.version?.fork !== version.fork) throw new Stalled('The log has another past')
    const head = await this.#reader.head(version)
    const baseline = this.#baseline
    const onProblem = (problem: Problem) => this.#monitor.problem(problem)
    const from = { reader: this.#reader, baseline, version, head, applied: this.#applied, onProblem }
    const wanted = full ? await wholeTarget(from) : await changedTarget(from, this.#owed)
    trace('%d paths to plan for', wanted.paths.size)
    reached('target-made')
    const past = this.#mayHoldMore && full ? await this.#past(version) : undefined
    const { local, seen, signatures, unclear } = await this.#look(wanted, full, past)
    const paths = [...wanted.paths, ...(past?.paths ?? [])].filter((path) => !unclear.has(path))
    const base: TreeView = { get: (path) => baseline.entry(path) }
    const trees = { base, local, target: wanted.target }
    const planFrom = (base: TreeView) =>
      planPaths({ base, local, target: wanted.target, paths, holderOf: (hash) => baseline.holderOf(hash) })
    let plan = planFrom(past?.over(trees) ?? base)
    // A log that lost its end by a power cut finds out only now what the folder holds of it.
    if (past === undefined && plan.conflicts.length > 0) {
      plan = planFrom((await this.#past(version)).over(trees))
    }
    trace('%d steps, %d conflicts, %d diverged', plan.steps.length, plan.conflicts.length, plan.diverged.length)
    reached('planned')
    await this.#settle(plan, wanted.target, signatures)
    reached('settled')
    const { failed, changed } = await this.#materialise(plan, wanted.target, seen, signal)
    this.#keepAccount(wanted, new Set([...failed, ...changed, ...unclear]), changed)
    trace('done, %d paths failed, %d changed meanwhile', failed.size, changed.size)
    await this.#applyVersion(version, plan)
  }

  #keepAccount({ paths, target, refused }: Wanted, owed: ReadonlySet<TreePath>, changed: ReadonlySet<TreePath>): void {
    for (const path of paths) {
      if (owed.has(path)) this.#owed.set(path, target.get(path))
      else this.#owed.delete(path)
    }
    this.#monitor.solve(({ path }) => paths.has(path as TreePath) && !owed.has(path as TreePath) && !refused.has(path))
    this.#triedMs = performance.now()
    this.#hurry = changed.size > 0 ? this.#hurry + 1 : 0
    if (this.#hurry < hurryMax) return
    const told = new Set(this.#monitor.problems.map(({ path }) => path))
    for (const path of changed) {
      if (told.has(path)) continue
      this.#monitor.problem({ path, action: 'write', message: 'It changes here again and again; it is tried again' })
    }
  }

  /** Whether a path changed while it was to be written, or couldn't be had: it is planned anew at once, a few times. */
  get #isHurried(): boolean {
    return this.#hurry > 0 && this.#hurry < hurryMax
  }

  #past(version: Version): Promise<Past> {
    return Past.read(this.#reader, this.#applied ?? this.#since, version)
  }

  #look({ target: wanted, paths }: Wanted, full: boolean, past?: Past): Promise<Look> {
    // What the log no longer wants may be its own all the same: only what it never knew isn't read.
    const target: TreeView = { get: (path) => wanted.get(path) ?? (past?.has(path) ? known : undefined) }
    return lookAt(
      this.#folder.root,
      { baseline: this.#baseline, target, paths: full ? undefined : paths },
      {
        signal: this.#stop.signal,
        onProblem: (problem) => this.#monitor.problem(problem),
        onScanned: (files) => {
          this.#monitor.emit({ type: 'progress', phase: 'scan', files, filesTotal: files, bytes: 0, bytesTotal: 0 })
        },
        onRead: () => {
          this.#activeMs = performance.now()
        }
      }
    )
  }

  /** Records what needs nothing to be done. */
  async #settle(plan: Plan, target: TreeView, signatures: ReadonlyMap<TreePath, string>): Promise<void> {
    const put = new Map<TreePath, BaselineRecord>()
    for (const path of plan.settled) {
      const entry = target.get(path) as Entry
      const signature = signatures.get(path) ?? ''
      const record = this.#baseline.records.get(path)
      if (record?.entry !== entry || record.signature !== signature) put.set(path, { entry, signature })
    }
    await this.#record({ put, removed: new Set(plan.forgotten) })
    for (const { path, kind } of plan.diverged) this.#monitor.emit({ type: 'diverged', path, kind })
  }

  async #materialise(
    plan: Plan,
    target: TreeView,
    seen: ReadonlyMap<TreePath, Seen>,
    signal: AbortSignal
  ): Promise<{ failed: ReadonlySet<TreePath>; changed: ReadonlySet<TreePath> }> {
    const failed = new Set<TreePath>()
    if (plan.steps.length === 0) return { failed, changed: failed }
    if (this.#since === undefined) {
      this.#since = { fork: 0, length: 0 }
      await this.#state.commit((batch) => batch.note('since', { fork: 0, length: 0 }))
    }
    const content = await this.#reader.content(this.#received)
    const notHad = new Set<TreePath>()
    // Closing it is what ends the wait for a block that nobody has.
    const end = () => void content.close().catch(() => {})
    signal.addEventListener('abort', end, { once: true })
    const counter = this.#counter(plan)
    try {
      const changed = await materialise(
        {
          root: this.#folder.root,
          staging: this.#staging,
          source: content,
          steps: plan.steps,
          observed: seen,
          conflicts: new Set(plan.conflicts.map(({ path }) => path)),
          directoryEntry: (path) => {
            const entry = target.get(path)
            return entry?.type === 'directory' ? entry : undefined
          }
        },
        {
          host: hostname(),
          now: () => new Date(),
          signal,
          guard: () => assertMarker(this.#folder),
          onApplied: (applied) => this.#record(applied, counter.files),
          onProblem: (problem) => {
            failed.add(problem.path as TreePath)
            this.#monitor.problem(problem)
            if (problem.action === 'fetch') notHad.add(problem.path as TreePath)
          },
          onConflict: (path, keptAs) => this.#monitor.emit({ type: 'conflict', path, keptAs }),
          onBytes: counter.bytes
        }
      )
      return { failed, changed: new Set([...changed, ...notHad]) }
    } finally {
      signal.removeEventListener('abort', end)
      await content.close().catch(() => {})
    }
  }

  /** Aborted at the end of all, or when a pass stalls on contents that a newer version may not need. */
  #passSignal(version: Version): { readonly signal: AbortSignal; end(): void } {
    const stalled = new AbortController()
    let received = this.#received()
    this.#activeMs = performance.now()
    const timer = setInterval(() => {
      const nowMs = performance.now()
      if (this.#received() - received >= stallBytesMin) {
        received = this.#received()
        this.#activeMs = nowMs
      } else if (nowMs - this.#activeMs >= stallMs && !sameVersion(this.#reader.version, version)) {
        stalled.abort(new Stalled('A newer version is there'))
      }
    }, stallMs / 5)
    return { signal: AbortSignal.any([this.#stop.signal, stalled.signal]), end: () => clearInterval(timer) }
  }

  #counter(plan: Plan): { bytes(count: number): void; files(count: number): void } {
    const progress = { files: 0, filesTotal: plan.steps.length, bytes: 0, bytesTotal: 0 }
    for (const step of plan.steps) {
      if (step.op === 'write' && step.entry.type === 'file') progress.bytesTotal += step.entry.size
    }
    const emit = () => this.#monitor.emit({ type: 'progress', phase: 'fetch', ...progress })
    return {
      bytes: (count) => {
        progress.bytes += count
        this.#activeMs = performance.now()
        emit()
      },
      files: (count) => {
        progress.files += count
        emit()
      }
    }
  }

  async #record({ put, removed }: Applied, onFiles?: (count: number) => void): Promise<void> {
    if (put.size === 0 && removed.size === 0) return
    for (const [path, record] of put) this.#baseline.put(path, record)
    for (const path of removed) this.#baseline.remove(path)
    await this.#state.commit((batch) => {
      // From here on until all is done, the baseline is of no single version.
      batch.forget('applied')
      for (const path of removed) batch.remove(path)
      for (const [path, record] of put) batch.put(path, record)
    })
    reached('baseline-recorded')
    onFiles?.(put.size + removed.size)
  }

  async #applyVersion(version: Version, plan: Plan): Promise<void> {
    const news = !sameVersion(this.#applied, version)
    this.#applied = version
    const { files, bytes } = this.#baseline.totals
    const changes = plan.steps.length
    const problems = this.#monitor.problems.length
    // With something owed or wrong, the next start has to look at all that the version wants.
    if (this.#owed.size === 0 && problems === 0) {
      this.#since = version
      this.#mayHoldMore = false
      await this.#state.commit((batch) => {
        batch.note('applied', version)
        batch.note('since', version)
      })
    }
    reached('applied-noted')
    if (news || changes > 0) {
      this.#monitor.emit({ type: 'applied', ...versionFields(version), files, bytes, changes, problems })
    }
  }
}

/** Stands for whatever the log has once said of a path. */
const known: Entry = { type: 'symlink', mtimeMs: 0, target: '' }

/** A pass was given up in favour of a newer version. */
class Stalled extends Error {}
