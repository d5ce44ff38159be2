import { isPaused, setPaused } from '../disk/state/pause-file.ts'
import type { FolderQueue } from './folder-queue.ts'
import type { Monitor } from './monitor.ts'

/** A folder's rest: while it lasts, its loop makes no pass. */
export class PauseGate {
  readonly #home: string
  readonly #monitor: Monitor
  #release: (() => void) | undefined

  /** @param home the folder's state directory, where it is written down */
  constructor(home: string, monitor: Monitor) {
    this.#home = home
    this.#monitor = monitor
  }

  get isOn(): boolean {
    return isPaused(this.#home)
  }

  /** Writes it down, and begins after what is being done. @throws the system's error */
  begin(queue: FolderQueue | undefined): void {
    setPaused(this.#home, true)
    this.holdIfPaused(queue)
  }

  /** Holds the loop where the rest was written down. */
  holdIfPaused(queue: FolderQueue | undefined): void {
    if (!this.isOn || this.#release !== undefined || queue === undefined) return
    this.#release = queue.holdPasses()
    this.#monitor.emit({ type: 'paused', paused: true })
  }

  /** @requeue whether it was on. @throws the system's error */
  end(): boolean {
    setPaused(this.#home, false)
    if (this.#release === undefined) return false
    this.release()
    this.#monitor.emit({ type: 'paused', paused: false })
    return true
  }

  /** Lets the loop go, so that it can end; what was written down stays. */
  release(): void {
    this.#release?.()
    this.#release = undefined
  }
}
