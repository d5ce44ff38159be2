import { setTimeout as sleep } from 'node:timers/promises'
import { debuglog } from 'node:util'
import { isAbsence } from '../disk/beneath.ts'
import { readIgnoreFile } from '../disk/ignore-file.ts'
import { readMarker } from '../disk/marker.ts'
import { TornRead } from '../disk/read.ts'
import { type Depth, scanFolder } from '../disk/scan.ts'
import type { State } from '../disk/state.ts'
import { type Watch, watchFolder } from '../disk/watch.ts'
import { messageOf, SyncError, systemCode } from '../errors.ts'
import type { LogWriter } from '../log/writer.ts'
import { type BaselineRecord, diffScan, type Scan, type ScanDiff } from '../tree/diff.ts'
import { type Entry, type Extent, sameEntry } from '../tree/entry.ts'
import { type IgnoreRules, ignoreFileName, parseIgnoreRules } from '../tree/ignore.ts'
import { ancestorsOf, type TreePath } from '../tree/path.ts'
import { LiveBaseline } from './baseline.ts'
import type { Folder } from './folder.ts'
import { Ingest } from './ingest.ts'
import { type Monitor, versionFields } from './monitor.ts'
import { Schedule } from './schedule.ts'
import { noteWriter, reconcileState } from './writer-state.ts'

const trace = debuglog('p2psync:publish')

export interface PublishOptions {
  /** Between two looks at everything, in milliseconds. */
  readonly rescanMs: number
  /** Between two looks at everything where notifications don't work or aren't wanted, in milliseconds. */
  readonly pollMs: number
  /** Never ask for notifications. */
  readonly poll: boolean
}

const settleMs = 50
const settleMsMax = 1000
/** A first look commits early, so that readers work while it goes on; a change is one version. */
const early = { bytes: 32 * 1024 * 1024, ms: 2000 }
const whole = { bytes: 256 * 1024 * 1024, ms: Number.POSITIVE_INFINITY }
/** A file that is being written is looked at again after so long, doubled each time. */
const tornRetryMs = 100
const tornRetryMsMax = 60_000
/** A file that was torn so many times in a row is reported. */
const tornReported = 5
const retryMs = 2000
const parallelReads = 4

/** The writer's loop: looks at the folder, and writes what has changed into the log. */
export class Publisher {
  readonly #folder: Folder
  readonly #writer: LogWriter
  readonly #state: State
  readonly #monitor: Monitor
  readonly #options: PublishOptions
  readonly #stop = new AbortController()
  readonly #schedule = new Schedule({ settleMs, settleMsMax })
  readonly #torn = new Map<TreePath, number>()
  #baseline = new LiveBaseline(new Map())
  #rulesText = ''
  #rules: IgnoreRules = parseIgnoreRules(this.#rulesText)
  #watch: Watch | undefined
  #polling: boolean
  /** What may have changed since it was last looked at. */
  #dirty = new Map<TreePath, Depth>()
  #dirtyAll = true
  #running: Promise<void> | undefined

  constructor(folder: Folder, writer: LogWriter, state: State, monitor: Monitor, options: PublishOptions) {
    this.#folder = folder
    this.#writer = writer
    this.#state = state
    this.#monitor = monitor
    this.#options = options
    this.#polling = options.poll
  }

  start(): void {
    this.#running = this.#run()
  }

  /** Ends after the version that is being made. */
  async close(): Promise<void> {
    this.#stop.abort()
    await this.#running
    await this.#watch?.close()
  }

  // The loop

  async #run(): Promise<void> {
    const { signal } = this.#stop
    let startup = true
    let failure: string | undefined
    while (!signal.aborted) {
      try {
        if (startup) await this.#open()
        if (startup || this.#dirtyAll || this.#dirty.size > 0) await this.#pass(startup)
        if (failure !== undefined) this.#monitor.emit({ type: 'notice', message: `Going on with ${this.#folder.root}` })
        startup = false
        failure = undefined
        await this.#waitForChanges()
      } catch (error) {
        if (signal.aborted) return
        // The log is the truth, and the folder: the baseline is made anew from the one, the other looked at whole.
        startup = true
        if (failure !== messageOf(error)) this.#monitor.error(error)
        failure = messageOf(error)
        await sleep(retryMs, undefined, { signal }).catch(() => {})
      }
    }
  }

  async #open(): Promise<void> {
    this.#assertMarker()
    this.#baseline = new LiveBaseline(
      await reconcileState(this.#state, this.#writer, (problem) => this.#monitor.problem(problem))
    )
    this.#loadRules()
    await this.#startWatch()
  }

  async #waitForChanges(): Promise<void> {
    const timeoutMs = this.#polling ? this.#options.pollMs : this.#options.rescanMs
    const what = await this.#schedule.settled(timeoutMs, this.#stop.signal)
    if (what === 'timeout') this.#dirtyAll = true
  }

  // Notifications

  async #startWatch(): Promise<void> {
    if (this.#polling) return
    await this.#watch?.close()
    const watch = watchFolder(this.#folder.root, {
      rules: this.#rules,
      onDirty: (path, depth) => {
        if (this.#dirty.get(path) !== 'deep') this.#dirty.set(path, depth)
        this.#schedule.poke()
      },
      onFailure: (message) => {
        this.#polling = true
        this.#monitor.emit({ type: 'notice', message })
        this.#schedule.poke()
      }
    })
    this.#watch = watch
    // What happened before a directory was watched is found by one more look at everything.
    void watch.ready.then(() => {
      this.#dirtyAll = true
      this.#schedule.poke()
    })
  }

  // One pass

  async #pass(startup: boolean): Promise<void> {
    this.#assertMarker()
    if ((this.#dirty.has(ignoreFileName) || this.#dirtyAll) && this.#loadRules()) {
      this.#dirtyAll = true
      await this.#startWatch()
    }
    const everything = this.#dirtyAll || startup
    const dirty = this.#dirty
    this.#dirtyAll = false
    this.#dirty = new Map()
    try {
      const scan = await this.#scan(everything ? undefined : dirty)
      const diff = diffScan(this.#baseline.records, scan)
      const { suspects, puts, removals } = diff
      trace('%d seen: %d to read, %d puts, %d removals', scan.seen.size, suspects.length, puts.length, removals.length)
      this.#renewWatches(diff)
      await this.#publish(scan, diff, { startup, everything })
    } catch (error) {
      this.#dirtyAll = true
      throw error
    }
  }

  async #scan(dirty: ReadonlyMap<TreePath, Depth> | undefined): Promise<Scan> {
    const problems = new Set<string>()
    const scan = await scanFolder(this.#folder.root, {
      ...(dirty === undefined ? {} : { dirty }),
      rules: this.#rules,
      signal: this.#stop.signal,
      isKnown: (path, signature) => this.#baseline.records.get(path)?.signature === signature,
      onProblem: (problem) => {
        problems.add(problem.path)
        this.#monitor.problem(problem)
      },
      onProgress: (files) => {
        this.#monitor.emit({ type: 'progress', phase: 'scan', files, filesTotal: files, bytes: 0, bytesTotal: 0 })
      }
    })
    this.#monitor.solve((path) => !problems.has(path) && scan.covers(path as TreePath))
    return scan
  }

  /** A directory that took the place of another needs a watch of its own. */
  #renewWatches(diff: ScanDiff): void {
    for (const [path, entry, signature] of diff.puts) {
      const known = this.#baseline.records.get(path)
      if (entry.type === 'directory' && known?.entry.type === 'directory' && known.signature !== signature) {
        this.#watch?.renew(path)
      }
    }
  }

  async #publish(scan: Scan, diff: ScanDiff, { startup, everything }: { startup: boolean; everything: boolean }) {
    const work = new PassWork(new Ingest(this.#folder.root, this.#writer, this.#state), diff, scan)
    const limits = startup ? early : whole
    let bytesTotal = 0
    for (const path of diff.suspects) bytesTotal += (scan.seen.get(path) as { size: number }).size
    const progress = { files: 0, filesTotal: diff.suspects.length, bytes: 0, bytesTotal }
    const todo = [...diff.suspects].reverse()
    while (todo.length > 0) {
      const startMs = performance.now()
      const full = () => work.stored >= limits.bytes || performance.now() - startMs >= limits.ms
      const readers = Array.from({ length: parallelReads }, async () => {
        while (!full()) {
          const path = todo.pop()
          if (path === undefined) return
          this.#stop.signal.throwIfAborted()
          await this.#read(work, path, (bytes) => {
            progress.bytes += bytes
            this.#monitor.emit({ type: 'progress', phase: 'publish', ...progress })
          })
          progress.files++
        }
      })
      await allDone(readers)
      if (todo.length > 0) await this.#commit(work, { partial: startup, last: false, everything })
    }
    await this.#commit(work, { partial: false, last: true, everything })
    this.#monitor.emit({ type: 'progress', phase: 'publish', ...progress })
    if (this.#writer.version !== undefined) {
      this.#monitor.emit({ type: 'up-to-date', ...versionFields(this.#writer.version) })
    }
  }

  async #read(work: PassWork, path: TreePath, onBytes: (bytes: number) => void): Promise<void> {
    try {
      await work.ingest.add(path, onBytes)
      if (this.#torn.delete(path)) this.#monitor.solve((solved) => solved === path)
    } catch (error) {
      if (error instanceof TornRead) this.#retryTorn(path, error)
      else if (isAbsence(error)) this.#again(path, 0)
      else if (systemCode(error) === undefined) throw error
      else {
        const message = `Can't be read: ${messageOf(error)}. What is recorded of it stays`
        this.#monitor.problem({ path, action: 'read', message })
      }
    }
  }

  #retryTorn(path: TreePath, error: Error): void {
    const times = (this.#torn.get(path) ?? 0) + 1
    this.#torn.set(path, times)
    if (times >= tornReported) {
      this.#monitor.problem({ path, action: 'read', message: `${error.message}; published when it settles` })
    }
    this.#again(path, Math.min(tornRetryMs * 2 ** times, tornRetryMsMax))
  }

  #again(path: TreePath, afterMs: number): void {
    const timer = setTimeout(() => {
      this.#dirty.set(path, 'shallow')
      this.#schedule.poke()
    }, afterMs)
    timer.unref()
  }

  async #commit(
    work: PassWork,
    { partial, last, everything }: { readonly partial: boolean; readonly last: boolean; readonly everything: boolean }
  ): Promise<void> {
    const { changes, records, chunks } = await work.take(this.#baseline, last)
    // A directory's time changes with every file that comes and goes in it, ignored ones too. Alone it
    // makes no version until all is looked at again.
    const idle = !everything && onlyDirectoryTimes(changes, this.#baseline)
    if (idle) return
    if (records.size === 0 && chunks.size === 0 && this.#writer.version !== undefined) return
    const first = this.#writer.version === undefined
    // The marker once more: a disk that went meanwhile has not deleted its files.
    if (changes.size > 0) this.#assertMarker()
    const totals = this.#baseline.totals
    for (const [path, record] of records) {
      if (record === undefined) this.#baseline.remove(path)
      else this.#baseline.put(path, record)
    }
    if (changes.size > 0 || first) {
      const removals = [...changes.values()].filter((entry) => entry === undefined).length
      const numbers = { puts: changes.size - removals, removals }
      const { files, directories, symlinks, bytes } = totals
      await this.#writer.commit(changes, {
        timeMs: Date.now(),
        partial,
        files,
        directories,
        symlinks,
        bytes,
        ...numbers,
        contentLength: this.#writer.content.length
      })
      const version = this.#writer.version
      if (version !== undefined) {
        const stored = work.takeStored()
        this.#monitor.emit({ type: 'published', ...versionFields(version), files, bytes, ...numbers, stored, partial })
      }
    }
    await this.#state.commit((batch) => {
      for (const [path, record] of records) {
        if (record === undefined) batch.remove(path)
        else batch.put(path, record)
      }
      for (const [hash, extent] of chunks) batch.chunk(hash, extent)
      noteWriter(batch, this.#writer)
    })
  }

  // The folder's own files

  #assertMarker(): void {
    const { root, marker } = this.#folder
    if (readMarker(root)?.id === marker.id) return
    throw new SyncError(
      'HALTED',
      `${root} is not the folder it was: its marker .p2psync/folder.json is missing or another's. ` +
        'Is its disk mounted? Nothing is published until it is back'
    )
  }

  /** Reads the ignore file. @returns whether the rules are others now */
  #loadRules(): boolean {
    let text: string
    try {
      text = readIgnoreFile(this.#folder.root)
    } catch (error) {
      this.#monitor.problem({ path: ignoreFileName, action: 'read', message: messageOf(error) })
      return false
    }
    if (text === this.#rulesText) return false
    this.#rulesText = text
    this.#rules = parseIgnoreRules(text)
    return true
  }
}

interface Taken {
  /** What the log is to say. */
  readonly changes: ReadonlyMap<TreePath, Entry | undefined>
  /** What the baseline is to say; also where only a signature is new. */
  readonly records: ReadonlyMap<TreePath, BaselineRecord | undefined>
  readonly chunks: ReadonlyMap<string, Extent>
}

/** What one pass has to put into the log, and has put so far. */
class PassWork {
  readonly ingest: Ingest
  #storedBefore = 0
  #puts: ScanDiff['puts']
  /** Removals by when they are due: those that make way at once, all others when all that was moved is there. */
  #urgent: readonly TreePath[]
  readonly #removals: readonly TreePath[]

  constructor(ingest: Ingest, { puts, removals }: ScanDiff, scan: Scan) {
    this.ingest = ingest
    this.#puts = puts
    const makesWay = (path: TreePath) => {
      for (const above of ancestorsOf(path))
        if ((scan.seen.get(above)?.type ?? 'directory') !== 'directory') return true
      return false
    }
    this.#urgent = removals.filter(makesWay)
    this.#removals = removals.filter((path) => !makesWay(path))
  }

  /** Bytes stored since the last version. */
  get stored(): number {
    return this.ingest.stored - this.#storedBefore
  }

  takeStored(): number {
    const { stored } = this
    this.#storedBefore = this.ingest.stored
    return stored
  }

  /** What is ready to be committed. */
  async take(baseline: LiveBaseline, last: boolean): Promise<Taken> {
    const { records: files, chunks } = await this.ingest.flush()
    const records = new Map<TreePath, BaselineRecord | undefined>()
    for (const path of this.#urgent) records.set(path, undefined)
    this.#urgent = []
    // Directories first, so that a version never has a file without its directory.
    for (const [path, entry, signature] of this.#puts) records.set(path, { entry, signature })
    this.#puts = []
    for (const [path, record] of files) records.set(path, record)
    if (last) for (const path of this.#removals) records.set(path, undefined)

    const changes = new Map<TreePath, Entry | undefined>()
    for (const [path, record] of records) {
      if (!sameEntry(baseline.entry(path), record?.entry)) changes.set(path, record?.entry)
    }
    return { changes, records, chunks }
  }
}

function onlyDirectoryTimes(changes: ReadonlyMap<TreePath, Entry | undefined>, baseline: LiveBaseline): boolean {
  for (const [path, entry] of changes) {
    const was = baseline.entry(path)
    if (entry?.type !== 'directory' || was?.type !== 'directory' || was.mode !== entry.mode) return false
  }
  return changes.size > 0
}

/** Waits for all, also when one fails: nothing goes on unseen. */
async function allDone(tasks: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(tasks)) if (result.status === 'rejected') throw result.reason
}
