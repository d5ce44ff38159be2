import { setTimeout as sleep } from 'node:timers/promises'
import { debuglog } from 'node:util'
import { LiveBaseline } from '../baseline/baseline.ts'
import type { BlockHolders } from '../baseline/block-holders.ts'
import type { Totals } from '../baseline/totals.ts'
import { isAbsence } from '../disk/path/beneath.ts'
import { probeFileSystem } from '../disk/path/capabilities.ts'
import { TornRead } from '../disk/read/read.ts'
import { type Depth, scanFolder } from '../disk/read/scan.ts'
import { mountedMark, uniqueIn } from '../disk/read/seen.ts'
import { readIgnoreFile } from '../disk/state/ignore-file.ts'
import type { State } from '../disk/state/state.ts'
import { unpackError } from '../disk/threads/worker-port.ts'
import type { Workers } from '../disk/threads/workers.ts'
import type { Staging } from '../disk/write/stage.ts'
import { messageOf, SyncError, systemCode } from '../errors.ts'
import { reached } from '../failpoints.ts'
import { assertMarker, type Folder } from '../folder/folder.ts'
import { FolderQueue } from '../folder/folder-queue.ts'
import { type Monitor, versionFields } from '../folder/monitor.ts'
import type { ReplacedFiles } from '../folder/replaced-files.ts'
import type { Workspace } from '../folder/workspace.ts'
import { packHeaderBytes } from '../format/pack-codec.ts'
import type { LogWriter } from '../log/writer.ts'
import { diffScan, type Scan, type ScanDiff } from '../tree/diff.ts'
import { type IgnoreRules, ignoreFileName, parseIgnoreRules } from '../tree/ignore.ts'
import type { TreePath } from '../tree/path.ts'
import { ChangeTracker, type ChangeTrackerOptions } from './change-tracker.ts'
import { type DirtyFile, DirtyFileQueue } from './dirty-files.ts'
import { isSnapshotDue, packSnapshot } from './entries-snapshot.ts'
import { Ingest, type SmallFileContent } from './ingest.ts'
import { PackBuffers } from './pack-buffers.ts'
import { draftStateChanges, onlyDirectoryTimes, type Taken, VersionDraft } from './version-draft.ts'
import { noteWriter, reconcileState } from './writer-state.ts'

const trace = debuglog('p2psync:publish')

/** A first look commits early, so that readers work while it goes on. */
const early = { bytes: 32 * 1024 * 1024, ms: 2000 }
/** A change is one version, but no more of it than this is kept in memory until it is appended. */
const whole = { bytes: 256 * 1024 * 1024, ms: Number.POSITIVE_INFINITY }
const pendingFilesMax = 5000
/** A file that is being written, or comes and goes, is looked at again after so long, doubled each time. */
const tornRetryMs = 100
const tornRetryMsMax = 60_000
/** A file that was torn so many times in a row is reported. */
const tornReported = 5
const retryMs = 2000
const parallelReads = 4
/** A snapshot waits until nothing has happened for so long; where something does all the time, no longer than this. */
const quietMs = 1000
const unquietMsMax = 60_000

export interface PublisherOptions extends ChangeTrackerOptions {
  /** Reads every file on the first look, whatever is recorded of it. */
  readonly checksum: boolean
  /** Files larger than this, in bytes, are kept in the folder alone, not in the store as well. */
  readonly inPlaceAbove: number
  /** Which files hold which blocks. */
  readonly blocks: BlockHolders
  /** Where files are read. */
  readonly workers: Workers
  /** Where files are written, when something is restored. */
  readonly staging: Staging
  /** Keeps what is lost when something is restored. */
  readonly replacedFiles: ReplacedFiles
  /** Whose turns the passes take; a queue of its own when left out. */
  readonly queue?: FolderQueue
  /** Tells the bytes received from all peers so far. */
  readonly received: () => number
  /** Told of what keeps it from going on; answers whether it is closed for that. */
  readonly onFailure: (error: unknown) => boolean
}

/** The writer's loop: looks at the folder, and writes what has changed into the log. */
export class Publisher {
  readonly #folder: Folder
  readonly #writer: LogWriter
  readonly #state: State
  readonly #monitor: Monitor
  readonly #tracker: ChangeTracker
  readonly #options: PublisherOptions
  readonly #buffers = new PackBuffers()
  readonly #stop = new AbortController()
  /** Each pass is one; what else works on the folder comes in between. */
  readonly queue: FolderQueue
  readonly #torn = new Map<TreePath, number>()
  #baseline = new LiveBaseline()
  #isLoaded = false
  #rulesText: string | undefined
  #rules: IgnoreRules = parseIgnoreRules('')
  #unreadable: ReadonlySet<TreePath> = new Set()
  /** Whether the latest version says that more is to come. */
  #partial = false
  /** Whether what is recorded of files is still to be compared with what they hold. */
  #distrust: boolean
  /** Whether an entry is there that no snapshot can hold. */
  #withoutSnapshot = false
  /** Since when one is due. */
  #dueMs: number | undefined
  #running: Promise<void> | undefined

  constructor(folder: Folder, writer: LogWriter, state: State, monitor: Monitor, options: PublisherOptions) {
    this.#folder = folder
    this.#writer = writer
    this.#state = state
    this.#monitor = monitor
    this.#options = options
    this.queue = options.queue ?? new FolderQueue()
    this.#tracker = new ChangeTracker(folder.root, monitor, options)
    this.#distrust = options.checksum
  }

  /** What is recorded of the folder. */
  get totals(): Readonly<Totals> {
    return this.#baseline.totals
  }

  start(): void {
    this.#running = this.#run()
  }

  /** Ends after the version that is being made. */
  async close(): Promise<void> {
    this.#stop.abort()
    await this.#running
    this.#tracker.close()
  }

  /** What else works on the folder gets this; to be asked for in a turn. The folder needn't be followed for that. */
  async workspace(): Promise<Workspace> {
    if (!this.#isLoaded) await this.#load()
    if (this.#rulesText === undefined) this.#loadRules()
    const { staging, workers, replacedFiles: keeper, received } = this.#options
    const [folder, monitor, baseline] = [this.#folder, this.#monitor, this.#baseline]
    staging.make()
    return {
      ...{ folder, monitor, staging, workers, replacedFiles: keeper, baseline, rules: this.#rules },
      traits: probeFileSystem(this.#folder.staging),
      version: this.#writer.version,
      content: async (patienceMs) => this.#writer.contents(received, patienceMs),
      record: async ({ put }) => {
        for (const [path, record] of put) this.#baseline.put(path, record)
        await this.#state.commitAll(draftStateChanges(new Map(put), new Map(), () => {}))
      },
      ...{ settled: async () => {}, touched: () => this.#tracker.markAll() }
    }
  }

  async #load(): Promise<void> {
    const { blocks, replacedFiles: keeper, staging } = this.#options
    this.#baseline = await reconcileState(this.#state, this.#writer, blocks, (it) => this.#monitor.problem(it))
    await keeper.open(staging.reopen(), this.#baseline, this.#monitor)
    await keeper.sweep()
    this.#isLoaded = true
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    let startup = true
    let failure: string | undefined
    while (!signal.aborted) {
      try {
        await this.queue.pass(async () => {
          if (startup) await this.#open()
          await this.#pass(startup)
        })
        if (failure !== undefined) this.#monitor.emit({ type: 'notice', message: `Going on with ${this.#folder.root}` })
        startup = false
        this.#distrust = false
        failure = undefined
        if (await this.queue.pass(() => this.#catchUp())) await this.#tracker.wait(signal)
      } catch (error) {
        if (signal.aborted) return
        // The log is the truth, and the folder: the baseline is made anew from the one, the other looked at whole.
        startup = true
        if (this.#options.onFailure(error)) return
        if (failure !== messageOf(error)) this.#monitor.error(error)
        failure = messageOf(error)
        await sleep(retryMs, undefined, { signal }).catch(() => {})
      }
    }
  }

  async #open(): Promise<void> {
    assertMarker(this.#folder)
    await this.#load()
    const { records } = this.#baseline
    if (this.#distrust) for (const [path, { entry }] of records) records.set(path, { entry, signature: '' })
    const head = await this.#writer.head()
    this.#partial = head?.partial === true || head?.unfinished === true
    this.#loadRules()
    this.#tracker.start()
  }

  // One pass

  async #pass(startup: boolean): Promise<void> {
    assertMarker(this.#folder)
    this.#tracker.renew()
    if (this.#tracker.isDirty(ignoreFileName) && this.#loadRules()) this.#tracker.start()
    const { everything, paths } = this.#tracker.take()
    if (!everything && paths.size === 0) return
    try {
      const scan = await this.#scan(everything ? undefined : paths)
      const diff = diffScan(this.#baseline.records, scan, uniqueIn(this.#folder.root))
      const [suspects, puts, moves, removals] = [diff.suspects, diff.puts, diff.moves, diff.removals].map(
        (it) => it.length
      )
      trace('%d seen: %d to read, %d puts, %d moves, %d removals', scan.seen.size, suspects, puts, moves, removals)
      reached('scanned')
      this.#followDirectories(scan, diff, everything)
      await this.#publish(scan, diff, { startup, everything })
    } catch (error) {
      this.#tracker.markAll()
      throw error
    }
  }

  async #scan(dirty: ReadonlyMap<TreePath, Depth> | undefined): Promise<Scan> {
    const problems = new Set<string>()
    const scan = await scanFolder(this.#folder.root, {
      ...(dirty === undefined ? { unchanged: this.#baseline.records.unchanged() } : { dirty }),
      rules: this.#rules,
      guard: (at) => assertMarker(this.#folder, at),
      wasMounted: (path) => this.#baseline.records.get(path)?.signature.endsWith(mountedMark) ?? false,
      signal: this.#stop.signal,
      isKnown: (path, signature) => this.#baseline.records.get(path)?.signature === signature,
      onDirectory: this.#tracker.watch,
      onProblem: (problem) => {
        problems.add(problem.path)
        this.#monitor.problem(problem)
      },
      onProgress: (files) => {
        this.#monitor.emit({ type: 'progress', phase: 'scan', files, filesTotal: files, bytes: 0, bytesTotal: 0 })
      }
    })
    this.#monitor.solve(({ path, action }) => {
      if (problems.has(path) || !scan.covers(path as TreePath)) return false
      return action === 'scan' || !scan.saw(path as TreePath)
    })
    return scan
  }

  /** What is no directory any more isn't watched; one that can be read again is to be, with all beneath it. */
  #followDirectories(scan: Scan, diff: ScanDiff, everything: boolean): void {
    for (const paths of [diff.removals, diff.suspects]) for (const path of paths) this.#tracker.forget(path)
    for (const [path] of diff.moves) this.#tracker.forget(path)
    for (const [path, { type }, signature] of diff.puts) {
      const known = this.#baseline.records.get(path)
      const isOther = known?.entry.type === 'directory' && known.signature !== '' && known.signature !== signature
      if (type === 'symlink') this.#tracker.forget(path)
      // It may be the same under another spelling, where names are folded: only a list of names tells.
      else if (isOther && !everything) this.#tracker.markAll()
    }
    const still = new Set(scan.unreadable)
    for (const path of this.#unreadable) {
      if (!scan.covers(path)) still.add(path)
      else if (!still.has(path)) this.#tracker.doubtWatch()
    }
    this.#unreadable = still
  }

  async #publish(scan: Scan, diff: ScanDiff, { startup, everything }: { startup: boolean; everything: boolean }) {
    const ingest = new Ingest(this.#folder.root, this.#writer, this.#state, {
      inPlaceAbove: this.#options.inPlaceAbove,
      workers: this.#options.workers,
      buffers: this.#buffers
    })
    const work = new VersionDraft(ingest, diff, scan)
    const limits = startup ? early : whole
    const todo = new DirtyFileQueue(diff, scan)
    const progress = new ReadProgress(todo, this.#monitor)
    while (!todo.isEmpty) {
      const startMs = performance.now()
      const full = () =>
        work.stored >= limits.bytes || ingest.pending >= pendingFilesMax || performance.now() - startMs >= limits.ms
      const readers = Array.from({ length: parallelReads }, async () => {
        while (!full()) {
          const next = todo.next()
          if (next === undefined) return
          this.#stop.signal.throwIfAborted()
          if ('small' in next) await this.#readSmall(ingest, next.small, todo, progress)
          else await this.#read(ingest, next, progress)
        }
      })
      await allDone(readers)
      if (!todo.isEmpty) await this.#commit(work, { startup, last: false, everything })
    }
    await this.#commit(work, { startup, last: true, everything })
    progress.tell()
    // Before it is said that all is there: who clones it then is to have it.
    if (startup && (await this.#isSnapshotDue())) await this.#snapshot(() => !this.#stop.signal.aborted)
    if (this.#writer.version !== undefined) {
      this.#monitor.emit({ type: 'up-to-date', ...versionFields(this.#writer.version) })
    }
  }

  async #read(ingest: Ingest, { path, size }: DirtyFile, progress: ReadProgress): Promise<void> {
    try {
      await ingest.add(path, size, {
        before: this.#baseline.entry(path),
        onBytes: (bytes) => progress.read(bytes),
        signal: this.#stop.signal
      })
      this.#wasRead(path)
    } catch (error) {
      this.#wasNotRead(path, error)
    }
    progress.done(1)
  }

  /** Reads small files, all that can be at once, in a thread of their own. */
  async #readSmall(ingest: Ingest, paths: readonly TreePath[], todo: DirtyFileQueue, progress: ReadProgress) {
    const { signal } = this.#stop
    const buffer = this.#buffers.take()
    const request = { root: this.#folder.root, paths, buffer, start: packHeaderBytes }
    const answer = await this.#options.workers.run('read-files', request, { transfer: [buffer], signal, frugal: true })
    const files: SmallFileContent[] = []
    let bytes = 0
    for (const [i, outcome] of answer.outcomes.entries()) {
      const path = paths[i] as TreePath
      if (outcome === 'later') todo.later(path)
      else if ('torn' in outcome) this.#wasNotRead(path, new TornRead(outcome.torn))
      else if ('error' in outcome) this.#wasNotRead(path, unpackError(outcome.error))
      else {
        bytes += outcome.size
        files.push({ path, ...outcome })
        this.#wasRead(path)
      }
      if (outcome !== 'later') progress.done(1)
    }
    await ingest.addSmall(files, answer.buffer)
    progress.read(bytes)
  }

  #wasRead(path: TreePath): void {
    this.#torn.delete(path)
    this.#monitor.solve((problem) => problem.path === path)
  }

  #wasNotRead(path: TreePath, error: unknown): void {
    if (error instanceof TornRead || isAbsence(error)) this.#retryTorn(path, messageOf(error))
    else if (systemCode(error) === undefined || error instanceof SyncError) throw error
    else {
      const message = `Can't be read: ${messageOf(error)}. What is recorded of it stays`
      this.#monitor.problem({ path, action: 'read', message })
    }
  }

  #retryTorn(path: TreePath, message: string): void {
    const times = (this.#torn.get(path) ?? 0) + 1
    this.#torn.set(path, times)
    if (times >= tornReported) {
      this.#monitor.problem({ path, action: 'read', message: `${message}; published when it settles` })
    }
    const afterMs = Math.min(tornRetryMs * 2 ** times, tornRetryMsMax)
    setTimeout(() => this.#tracker.mark(path, 'shallow'), afterMs).unref()
  }

  async #commit(
    work: VersionDraft,
    { startup, last, everything }: { readonly startup: boolean; readonly last: boolean; readonly everything: boolean }
  ): Promise<void> {
    const partial = startup && !last
    const { changes, records, chunks } = await work.take(this.#baseline, last)
    // A directory's time changes with every file that comes and goes in it, ignored ones too. Alone it
    // makes no version until all is looked at again.
    if (!everything && onlyDirectoryTimes(changes, this.#baseline)) {
      for (const path of changes.keys()) records.delete(path)
      changes.clear()
    }
    const finishes = last && (this.#partial || work.unfinished !== undefined)
    const isDue = changes.size > 0 || this.#writer.version === undefined || finishes
    if (!isDue && records.size === 0 && chunks.size === 0) return
    // The marker once more: a disk that went meanwhile has not deleted its files.
    if (changes.size > 0) assertMarker(this.#folder)
    for (const [path, record] of records) {
      if (record === undefined) this.#baseline.remove(path)
      else this.#baseline.put(path, record)
    }
    if (isDue) await this.#append(changes, work, { partial, unfinished: !startup && !last })
    const writer = this.#writer
    await this.#state.commitAll(draftStateChanges(records, chunks, (batch) => noteWriter(batch, writer)))
    reached('version-noted')
    await this.#writer.release(this.#options.blocks.takeDropped(), this.#options.blocks.isHeld)
  }

  async #append(
    changes: Taken['changes'],
    work: VersionDraft,
    { partial, unfinished }: { readonly partial: boolean; readonly unfinished: boolean }
  ): Promise<void> {
    let { puts, removals } = work.unfinished ?? { puts: 0, removals: 0 }
    for (const entry of changes.values()) {
      if (entry === undefined) removals++
      else puts++
    }
    const { files, directories, symlinks, bytes } = this.#baseline.totals
    const contentLength = this.#writer.content.length
    const numbers = { files, directories, symlinks, bytes, puts, removals, contentLength }
    const version = await this.#writer.commit(changes, { timeMs: Date.now(), partial, unfinished, ...numbers })
    this.#partial = partial || unfinished
    work.unfinished = unfinished ? { puts, removals } : undefined
    if (unfinished) return
    const stored = work.takeStored()
    this.#monitor.emit({ type: 'published', ...versionFields(version), files, bytes, puts, removals, stored, partial })
  }

  // Snapshots

  async #isSnapshotDue(): Promise<boolean> {
    if (this.#withoutSnapshot) return false
    return isSnapshotDue(this.#writer.version, await this.#writer.head(), this.#baseline)
  }

  /**
   * Publishes a snapshot where one is due, behind all that changes, and not while anything does. It is a version of its
   * own: with the next one it would come too late for who clones a folder that rests.
   *
   * @returns whether nothing came in between
   */
  async #catchUp(): Promise<boolean> {
    const isDue = await this.#isSnapshotDue()
    const nowMs = performance.now()
    this.#dueMs = isDue ? (this.#dueMs ?? nowMs) : undefined
    if (this.#dueMs === undefined) return true
    const { signal } = this.#stop
    const yields = nowMs - this.#dueMs < unquietMsMax
    if (yields && !(await this.#tracker.isQuiet(quietMs, signal))) return false
    await this.#snapshot(() => !signal.aborted && !(yields && this.#tracker.hasNews))
    return true
  }

  async #snapshot(isWanted: () => boolean): Promise<void> {
    const { records } = this.#baseline
    const blocks = await packSnapshot(records, isWanted).catch((error: unknown) => {
      if (!(error instanceof RangeError)) throw error
      this.#withoutSnapshot = true
    })
    if (!blocks) return
    const { length } = await this.#writer.publishSnapshot(blocks, records.size, Date.now())
    trace('version %d: a snapshot of %d entries in %d blocks', length, records.size, blocks.length)
    await this.#state.commit((batch) => noteWriter(batch, this.#writer))
    reached('version-noted')
  }

  // The ignore file

  /** Reads the ignore file. @returns whether the rules are others now */
  #loadRules(): boolean {
    let text: string
    try {
      text = readIgnoreFile(this.#folder.root)
    } catch (error) {
      const message = `Can't be read: ${messageOf(error)}`
      // Without its rules, what they leave out would be published, for good.
      if (this.#rulesText === undefined) throw new SyncError('HALTED', `${ignoreFileName} ${message}`, { cause: error })
      this.#monitor.problem({ path: ignoreFileName, action: 'read', message: `${message}. Its last rules stay` })
      return false
    }
    if (text === this.#rulesText) return false
    this.#rulesText = text
    this.#rules = parseIgnoreRules(text)
    return true
  }
}

/** How far the reading of a pass has come. */
class ReadProgress {
  readonly #monitor: Monitor
  #files = 0
  readonly #filesTotal: number
  #bytes = 0
  #bytesTotal: number

  constructor({ files, bytes }: DirtyFileQueue, monitor: Monitor) {
    this.#monitor = monitor
    this.#filesTotal = files
    this.#bytesTotal = bytes
  }

  done(files: number): void {
    this.#files += files
  }

  read(bytes: number): void {
    this.#bytes += bytes
    // A file may have grown since it was seen.
    this.#bytesTotal = Math.max(this.#bytesTotal, this.#bytes)
    this.tell()
  }

  tell(): void {
    const [files, filesTotal, bytes, bytesTotal] = [this.#files, this.#filesTotal, this.#bytes, this.#bytesTotal]
    this.#monitor.emit({ type: 'progress', phase: 'publish', files, filesTotal, bytes, bytesTotal })
  }
}

/** Waits for all, also when one fails: nothing goes on unseen. */
async function allDone(tasks: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(tasks)) if (result.status === 'rejected') throw result.reason
}
