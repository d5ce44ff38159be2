import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { debuglog } from 'node:util'
import { readMarker } from '../disk/marker.ts'
import { type Applied, materialise } from '../disk/materialise.ts'
import { observe } from '../disk/observe.ts'
import { hashFile, TornRead } from '../disk/read.ts'
import { scanFolder } from '../disk/scan.ts'
import { Staging } from '../disk/stage.ts'
import type { State } from '../disk/state.ts'
import { messageOf, SyncError, systemCode } from '../errors.ts'
import type { Head } from '../format/head-codec.ts'
import type { LogReader } from '../log/reader.ts'
import type { Seen } from '../tree/diff.ts'
import type { Entry } from '../tree/entry.ts'
import { ancestorsOf, type TreePath } from '../tree/path.ts'
import { type Plan, planPaths } from '../tree/plan.ts'
import { refuseHomeless } from '../tree/target.ts'
import { type Problem, sameVersion, type TreeView, type Version } from '../tree/tree.ts'
import { LiveBaseline } from './baseline.ts'
import type { Folder } from './folder.ts'
import { type Monitor, versionFields } from './monitor.ts'
import { Schedule } from './schedule.ts'

const trace = debuglog('p2psync:mirror')

/** How often it is looked whether a peer has more, until none has. */
const behindTickMs = 100
/** The same while there is nobody to have more. */
const lonelyTickMs = 1000
const idleTickMs = 10_000
/** What couldn't be done is tried again this often. */
const owedRetryMs = 30_000
const retryMs = 2000
/** A pass that gets no byte for so long is given up when a newer version is there. */
const stallMs = 5000
/** A writer that hasn't finished its first look, but has said nothing for so long, counts as finished. */
const partialQuietMs = 10_000

/** The reader's loop: follows the log, and makes the folder follow it. */
export class Mirror {
  readonly #folder: Folder
  readonly #reader: LogReader
  readonly #state: State
  readonly #monitor: Monitor
  readonly #staging: Staging
  readonly #stop = new AbortController()
  readonly #schedule = new Schedule({ settleMs: 0, settleMsMax: 0 })
  #baseline = new LiveBaseline(new Map())
  #applied: Version | undefined
  /** What a version wanted and couldn't be done: tried again. */
  readonly #owed = new Map<TreePath, Entry | undefined>()
  #triedMs = 0
  #inSync: Version | undefined
  #arrivals = { received: 0, atMs: 0 }
  #lastByteMs = 0
  #running: Promise<void> | undefined

  constructor(folder: Folder, reader: LogReader, state: State, monitor: Monitor) {
    this.#folder = folder
    this.#reader = reader
    this.#state = state
    this.#monitor = monitor
    this.#staging = new Staging(folder.staging)
  }

  start(): void {
    this.#running = this.#run()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  // The loop

  async #run(): Promise<void> {
    const { signal } = this.#stop
    const unsubscribe = this.#reader.onChange(() => this.#schedule.poke())
    let opened = false
    let failure: string | undefined
    while (!signal.aborted) {
      try {
        if (!opened) await this.#open()
        const full = !opened
        opened = true
        await this.#follow(full)
        if (failure !== undefined) this.#monitor.emit({ type: 'notice', message: `Going on with ${this.#folder.root}` })
        failure = undefined
        await this.#schedule.settled(this.#tickMs(), signal)
      } catch (error) {
        if (signal.aborted) break
        // Everything is looked at anew: what was done is found done.
        opened = false
        if (error instanceof Stalled) continue
        if (failure !== messageOf(error)) this.#monitor.error(error)
        failure = messageOf(error)
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
    this.#assertMarker()
    this.#staging.open()
    this.#baseline = new LiveBaseline(await this.#state.baseline())
    this.#applied = await this.#state.note('applied')
    this.#owed.clear()
    this.#inSync = undefined
  }

  async #follow(full: boolean): Promise<void> {
    const version = this.#reader.version
    const owes = this.#owed.size > 0 && performance.now() - this.#triedMs >= owedRetryMs
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
    const { partial } = await this.#reader.head(version)
    if (partial && performance.now() - this.#arrivals.atMs < partialQuietMs) return
    this.#inSync = version
    this.#monitor.emit({ type: 'in-sync', ...versionFields(version) })
  }

  // One pass

  async #pass(version: Version, full: boolean): Promise<void> {
    this.#assertMarker()
    const { signal, end } = this.#passSignal(version)
    try {
      trace('version %d, fork %d: fetching its entries', version.length, version.fork)
      await this.#reader.fetch(version, signal)
      await this.#apply(version, full, signal)
    } finally {
      end()
    }
  }

  async #apply(version: Version, full: boolean, signal: AbortSignal): Promise<void> {
    const head = await this.#reader.head(version)
    const wanted = full ? await this.#wholeTarget(version, head) : await this.#changedTarget(version, head)
    trace('%d paths to plan for', wanted.paths.size)
    const { local, seen, unclear } = await this.#look(full ? undefined : wanted.paths, wanted.target)
    const paths = [...wanted.paths].filter((path) => !unclear.has(path))
    const baseline = this.#baseline
    const plan = planPaths({
      base: { get: (path) => baseline.entry(path) },
      local,
      target: wanted.target,
      paths,
      holderOf: (hash) => baseline.holderOf(hash)
    })
    trace('%d steps, %d conflicts, %d diverged', plan.steps.length, plan.conflicts.length, plan.diverged.length)
    await this.#settle(plan, wanted.target, seen)
    const failed = await this.#materialise(plan, wanted.target, seen, signal)
    for (const path of wanted.paths) {
      if (failed.has(path) || unclear.has(path)) this.#owed.set(path, wanted.target.get(path))
      else this.#owed.delete(path)
    }
    this.#triedMs = performance.now()
    trace('done, %d paths failed', failed.size)
    await this.#applyVersion(version, plan)
  }

  /** All that a version wants, whatever was there before. */
  async #wholeTarget(version: Version, head: Head): Promise<Wanted> {
    const refused = new Set<string>()
    const onProblem = this.#refuser(refused)
    const target = new Map<TreePath, Entry>()
    for await (const [path, entry] of this.#reader.entriesAt(version, onProblem)) {
      if (this.#namesBlocks(path, entry, head, onProblem)) target.set(path, entry)
    }
    for (const path of refuseHomeless([...target.keys()].sort(), (path) => target.get(path), onProblem)) {
      target.delete(path)
    }
    // What is refused changes nothing: it stays as it was.
    for (const [path, { entry }] of this.#baseline.records) if (refused.has(path)) target.set(path, entry)
    return { target, paths: new Set([...target.keys(), ...this.#baseline.records.keys()]) }
  }

  /** What has changed since the version that was applied last, and what is owed. */
  async #changedTarget(version: Version, head: Head): Promise<Wanted> {
    const refused = new Set<string>()
    const onProblem = this.#refuser(refused)
    const changes = new Map(this.#owed)
    if (!sameVersion(this.#applied, version)) {
      for await (const [path, entry] of this.#reader.changes(this.#applied as Version, version, onProblem)) {
        if (entry === undefined || this.#namesBlocks(path, entry, head, onProblem)) changes.set(path, entry)
      }
    }
    const base = this.#baseline
    const entryAt = (path: TreePath) => (changes.has(path) ? changes.get(path) : base.entry(path))
    for (const path of refuseHomeless([...changes.keys()].sort(), entryAt, onProblem)) changes.delete(path)

    const paths = new Set<TreePath>()
    for (const path of changes.keys()) {
      paths.add(path)
      for (const above of ancestorsOf(path)) paths.add(above)
    }
    return { target: { get: entryAt }, paths }
  }

  #refuser(refused: Set<string>): (problem: Problem) => void {
    return (problem) => {
      refused.add(problem.path)
      this.#monitor.problem(problem)
    }
  }

  #namesBlocks(path: TreePath, entry: Entry, head: Head, onProblem: (problem: Problem) => void): boolean {
    if (entry.type !== 'file') return true
    const beyond = entry.extents.some(({ block, blocks }) => block + blocks > head.contentLength)
    if (beyond) onProblem({ path, action: 'log', message: 'Refused: an extent outside the content core' })
    return !beyond
  }

  /** What the folder holds, read where the baseline doesn't tell. */
  async #look(paths: ReadonlySet<TreePath> | undefined, target: TreeView): Promise<Look> {
    const unclear = new Set<TreePath>()
    const onProblem = (problem: Problem) => {
      unclear.add(problem.path as TreePath)
      this.#monitor.problem(problem)
    }
    const seen = paths === undefined ? await this.#scan(unclear) : observe(this.#folder.root, paths, onProblem)
    const local = new Map<TreePath, Entry>()
    for (const [path, what] of seen) {
      const record = this.#baseline.records.get(path)
      if (record === undefined && target.get(path) === undefined) continue // The user's own: not even read.
      if (what.type !== 'file') local.set(path, what)
      else if (record?.entry.type === 'file' && record.signature !== '' && record.signature === what.signature) {
        local.set(path, record.entry)
      } else {
        const entry = await this.#readLocal(path)
        if (entry === undefined) unclear.add(path)
        else local.set(path, entry)
      }
    }
    return { local, seen, unclear }
  }

  async #scan(unclear: Set<TreePath>): Promise<ReadonlyMap<TreePath, Seen>> {
    const { seen, frozen } = await scanFolder(this.#folder.root, {
      signal: this.#stop.signal,
      onProblem: () => {}, // What of the user's own can't be read is no concern of a mirror.
      onProgress: (files) => {
        this.#monitor.emit({ type: 'progress', phase: 'scan', files, filesTotal: files, bytes: 0, bytesTotal: 0 })
      }
    })
    // What can't be looked at is not deleted.
    for (const path of this.#baseline.records.keys()) if (!seen.has(path) && frozen(path)) unclear.add(path)
    return seen
  }

  async #readLocal(path: TreePath): Promise<Entry | undefined> {
    try {
      const { signature: _, ...content } = await hashFile(this.#folder.root, path)
      return { type: 'file', ...content, extents: [] }
    } catch (error) {
      if (!(error instanceof TornRead) && systemCode(error) === undefined) throw error
      this.#monitor.problem({ path, action: 'read', message: messageOf(error) })
      return undefined
    }
  }

  /** Records what needs nothing to be done. */
  async #settle(plan: Plan, target: TreeView, seen: ReadonlyMap<TreePath, Seen>): Promise<void> {
    const put = new Map()
    for (const path of plan.settled) {
      const entry = target.get(path) as Entry
      const what = seen.get(path)
      const signature = what?.type === 'file' ? what.signature : ''
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
  ): Promise<Set<TreePath>> {
    const failed = new Set<TreePath>()
    if (plan.steps.length === 0) return failed
    const content = await this.#reader.content()
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
          onApplied: (applied) => this.#record(applied, counter.files),
          onProblem: (problem) => {
            failed.add(problem.path as TreePath)
            this.#monitor.problem(problem)
          },
          onConflict: (path, keptAs) => this.#monitor.emit({ type: 'conflict', path, keptAs }),
          onBytes: counter.bytes
        }
      )
      for (const path of changed) failed.add(path)
      return failed
    } finally {
      signal.removeEventListener('abort', end)
      await content.close().catch(() => {})
    }
  }

  /** Aborted at the end of all, or when a pass stalls on contents that a newer version may not need. */
  #passSignal(version: Version): { readonly signal: AbortSignal; end(): void } {
    const stalled = new AbortController()
    this.#lastByteMs = performance.now()
    const timer = setInterval(() => {
      const quiet = performance.now() - this.#lastByteMs > stallMs
      if (quiet && !sameVersion(this.#reader.version, version)) stalled.abort(new Stalled('A newer version is there'))
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
        this.#lastByteMs = performance.now()
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
      for (const path of removed) batch.remove(path)
      for (const [path, record] of put) batch.put(path, record)
    })
    this.#monitor.solve((path) => put.has(path as TreePath) || removed.has(path as TreePath))
    onFiles?.(put.size + removed.size)
  }

  async #applyVersion(version: Version, plan: Plan): Promise<void> {
    const news = !sameVersion(this.#applied, version)
    this.#applied = version
    await this.#state.commit((batch) => batch.note('applied', version))
    const { files, bytes } = this.#baseline.totals
    const changes = plan.steps.length
    const problems = this.#monitor.problems.length
    if (news || changes > 0) {
      this.#monitor.emit({ type: 'applied', ...versionFields(version), files, bytes, changes, problems })
    }
  }

  #assertMarker(): void {
    const { root, marker } = this.#folder
    if (readMarker(root)?.id === marker.id) return
    throw new SyncError(
      'HALTED',
      `${root} is not the folder it was: its marker .p2psync/folder.json is missing or another's. ` +
        'Is its disk mounted? Nothing is written until it is back'
    )
  }
}

interface Wanted {
  readonly target: TreeView
  /** The paths to plan for. */
  readonly paths: ReadonlySet<TreePath>
}

interface Look {
  /** Only what was looked at. */
  readonly local: TreeView
  readonly seen: ReadonlyMap<TreePath, Seen>
  /** Paths that couldn't be read, or not in one piece. */
  readonly unclear: ReadonlySet<TreePath>
}

/** A pass was given up in favour of a newer version. */
class Stalled extends Error {}
