import type { Depth } from '../disk/read/scan.ts'
import { FolderWatch, rootIdentity } from '../disk/watch/watch.ts'
import { Debouncer } from '../folder/debouncer.ts'
import type { Monitor } from '../folder/monitor.ts'
import type { TreePath } from '../tree/path.ts'

export interface ChangeTrackerOptions {
  /** Between two looks at everything, in milliseconds. */
  readonly rescanMs: number
  /** Between two looks at everything where notifications don't work or aren't wanted, in milliseconds. */
  readonly pollMs: number
  /** Never ask for notifications. */
  readonly poll: boolean
}

/** What is to be looked at. */
export interface Dirty {
  readonly everything: boolean
  readonly paths: ReadonlyMap<TreePath, Depth>
}

/** No shorter than a tick of the clock of file times: what was changed later than that can't be read yet. */
const settleMs = 20
const settleMsMax = 1000
/** Notifications may not tell that the disk has gone, or another has come: it is looked whether it is there. */
const presenceMs = 2000
/** A watch is started anew no sooner than this after the last start. */
const restartMsMin = 1000

/** Says what of a folder to look at, and when: told by notifications, by polling, and all of it now and then. */
export class ChangeTracker {
  readonly #root: string
  readonly #monitor: Monitor
  readonly #options: ChangeTrackerOptions
  readonly #schedule = new Debouncer({ settleMs, settleMsMax })
  #paths = new Map<TreePath, Depth>()
  #everything = true
  #polling: boolean
  #watch: FolderWatch | undefined
  #watched = ''
  #startedMs = Number.NEGATIVE_INFINITY
  #stale = false

  constructor(root: string, monitor: Monitor, options: ChangeTrackerOptions) {
    this.#root = root
    this.#monitor = monitor
    this.#options = options
    this.#polling = options.poll
  }

  /** Watches the folder from now on, each directory from when it is looked at, and has everything looked at. */
  start(): void {
    this.#stale = false
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
        this.#schedule.poke()
      }
    })
  }

  /** A directory is about to be listed. */
  readonly watch = (path: TreePath | '', at: string, identity: string): void => {
    this.#watch?.add(path, at, identity)
  }

  /** A path is no directory any more, if it was one. */
  forget(path: TreePath): void {
    this.#watch?.forget(path)
  }

  /** A directory can be read again: what is watched beneath it isn't worth anything. */
  doubtWatch(): void {
    this.#stale = !this.#polling
    this.#schedule.poke()
  }

  /** Starts the watch anew where it is in doubt, or another directory stands in the root's place. */
  renew(): void {
    if (this.#polling) return
    if (rootIdentity(this.#root) !== this.#watched) this.start()
    if (!this.#stale) return
    const waitMs = this.#startedMs + restartMsMin - performance.now()
    if (waitMs <= 0) this.start()
    else setTimeout(() => this.#schedule.poke(), waitMs).unref()
  }

  mark(path: TreePath, depth: Depth): void {
    if (this.#paths.get(path) !== 'deep') this.#paths.set(path, depth)
    this.#schedule.poke()
  }

  markAll(): void {
    this.#everything = true
    this.#schedule.poke()
  }

  /** Whether `path` is to be looked at. */
  isDirty(path: TreePath): boolean {
    return this.#everything || this.#paths.has(path)
  }

  /** What is to be looked at now; from here on it counts as looked at. */
  take(): Dirty {
    const dirty = { everything: this.#everything, paths: this.#paths }
    this.#everything = false
    this.#paths = new Map()
    return dirty
  }

  /** Whether there is something to look at. */
  get hasNews(): boolean {
    return this.#everything || this.#paths.size > 0
  }

  /** Whether nothing happens for so long; where something does, it is to be looked at without another wait. */
  async isQuiet(ms: number, signal: AbortSignal): Promise<boolean> {
    return (await this.#schedule.settled(ms, signal)) === 'timeout'
  }

  /** Resolves when there is something to look at, or `signal` is aborted. */
  async wait(signal: AbortSignal): Promise<void> {
    const endMs = performance.now() + (this.#polling ? this.#options.pollMs : this.#options.rescanMs)
    for (;;) {
      const leftMs = Math.max(0, endMs - performance.now())
      const what = await this.#schedule.settled(Math.min(leftMs, presenceMs), signal)
      if (what !== 'timeout') return
      if (leftMs > presenceMs && rootIdentity(this.#root) === this.#watched) continue
      this.#everything = true
      return
    }
  }

  close(): void {
    this.#watch?.close()
  }
}
