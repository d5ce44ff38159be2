import type { Depth } from '../disk/read/scan.ts'
import { FolderWatch, rootIdentity } from '../disk/watch/watch.ts'
import { Debouncer } from '../folder/debouncer.ts'
import type { Monitor } from '../folder/monitor.ts'
import type { TreePath } from '../tree/path.ts'

export interface ChangeTrackerOptions {
  /** Between two scans of the whole folder, in milliseconds. */
  readonly rescanMs: number
  /** The same where notifications don't work or aren't wanted, in milliseconds. */
  readonly pollMs: number
  /** Whether to do without notifications. */
  readonly poll: boolean
}

/** The part of a folder to scan. */
export interface Dirty {
  readonly everything: boolean
  readonly paths: ReadonlyMap<TreePath, Depth>
}

/** At least a tick of the clock of file times: within one tick a second change of a file doesn't show. */
const settleMs = 20
const settleMsMax = 1000
/** How often to check that the same directory is there: no notification reports a disk that is unmounted or replaced. */
const presenceMs = 2000
/** The least time between two starts of the watch. */
const restartMsMin = 1000

/** Decides what to scan of a folder, and when: by notifications or polling, and all of it from time to time. */
export class ChangeTracker {
  readonly #root: string
  readonly #monitor: Monitor
  readonly #options: ChangeTrackerOptions
  readonly #debouncer = new Debouncer({ settleMs, settleMsMax })
  #paths = new Map<TreePath, Depth>()
  #everything = true
  #polling: boolean
  #watch: FolderWatch | undefined
  #watched = ''
  #startedMs = Number.NEGATIVE_INFINITY
  /** Whether the watch may miss changes. */
  #isDoubtful = false

  constructor(root: string, monitor: Monitor, options: ChangeTrackerOptions) {
    this.#root = root
    this.#monitor = monitor
    this.#options = options
    this.#polling = options.poll
  }

  /** Starts a new watch, which covers each directory from its next scan on, and marks everything. */
  start(): void {
    this.#isDoubtful = false
    this.#startedMs = performance.now()
    this.#watch?.close()
    this.#watch = undefined
    this.#watched = rootIdentity(this.#root)
    this.markAll()
    if (this.#polling) return
    this.#watch = new FolderWatch({
      onDirty: (path, depth) => this.mark(path, depth),
      onLost: () => this.markAll(),
      onFailure: (message) => {
        this.#polling = true
        this.#monitor.emit({ type: 'notice', message })
        this.#debouncer.poke()
      }
    })
  }

  /** Watches a directory. Call before it is listed: a change in between would show neither in the list nor by the watch. */
  readonly watch = (path: TreePath | '', at: string, identity: string): void => {
    this.#watch?.add(path, at, identity)
  }

  /** Ends the watch of a path that holds no directory (any more). */
  forget(path: TreePath): void {
    this.#watch?.forget(path)
  }

  /** Lets `renew` start a new watch: the present one doesn't cover what lies beneath a directory that was unreadable. */
  doubtWatch(): void {
    this.#isDoubtful = !this.#polling
    this.#debouncer.poke()
  }

  /** Starts a new watch where the present one is in doubt, or another directory has taken the root's place. */
  renew(): void {
    if (this.#polling) return
    if (rootIdentity(this.#root) !== this.#watched) this.start()
    if (!this.#isDoubtful) return
    const waitMs = this.#startedMs + restartMsMin - performance.now()
    if (waitMs <= 0) this.start()
    else setTimeout(() => this.#debouncer.poke(), waitMs).unref()
  }

  /** Marks a path as dirty. */
  mark(path: TreePath, depth: Depth): void {
    if (this.#paths.get(path) !== 'deep') this.#paths.set(path, depth)
    this.#debouncer.poke()
  }

  /** Marks the whole folder as dirty. */
  markAll(): void {
    this.#everything = true
    this.#debouncer.poke()
  }

  /** Whether `path` is marked. */
  isDirty(path: TreePath): boolean {
    return this.#everything || this.#paths.has(path)
  }

  /** Takes all marks away. */
  take(): Dirty {
    const dirty = { everything: this.#everything, paths: this.#paths }
    this.#everything = false
    this.#paths = new Map()
    return dirty
  }

  /** Whether anything is marked. */
  get hasNews(): boolean {
    return this.#everything || this.#paths.size > 0
  }

  /** Whether no event comes for `ms` milliseconds. After an event, take the marks without calling `wait`. */
  async isQuiet(ms: number, signal: AbortSignal): Promise<boolean> {
    return (await this.#debouncer.settled(ms, signal)) === 'timeout'
  }

  /** Resolves when something is marked and the burst of events has settled, or when `signal` is aborted. */
  async wait(signal: AbortSignal): Promise<void> {
    const endMs = performance.now() + (this.#polling ? this.#options.pollMs : this.#options.rescanMs)
    for (;;) {
      const leftMs = Math.max(0, endMs - performance.now())
      const outcome = await this.#debouncer.settled(Math.min(leftMs, presenceMs), signal)
      if (outcome !== 'timeout') return
      if (leftMs > presenceMs && rootIdentity(this.#root) === this.#watched) continue
      this.#everything = true
      return
    }
  }

  close(): void {
    this.#watch?.close()
  }
}
