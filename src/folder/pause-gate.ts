import { isPaused, setPaused } from '../disk/state/pause-file.ts'
import type { Turns } from './folder-queue.ts'
import type { Monitor } from './monitor.ts'

/** A folder's rest: while it lasts, its loop makes no pass. */
export class Rest {
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
  begin(turns: Turns | undefined): void {
    setPaused(this.#home, true)
    this.take(turns)
  }

  /** Holds the loop where the rest was written down. */
  take(turns: Turns | undefined): void {
    if (!this.isOn || this.#release !== undefined || turns === undefined) return
    this.#release = turns.holdPasses()
    this.#monitor.emit({ type: 'paused', paused: true })
  }

  /** @returns whether it was on. @throws the system's error */
  end(): boolean {
    setPaused(this.#home, false)
    if (this.#release === undefined) return false
    this.letGo()
    this.#monitor.emit({ type: 'paused', paused: false })
    return true
  }

  /** Lets the loop go, so that it can end; what was written down stays. */
  letGo(): void {
    this.#release?.()
    this.#release = undefined
  }
}
