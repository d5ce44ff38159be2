import { isPaused, setPaused } from '../disk/state/pause-file.ts'
import type { FolderQueue } from './folder-queue.ts'
import type { Monitor } from './monitor.ts'

/** The pause of a folder: while it lasts, the loop makes no pass. It is a file, so that it lasts across restarts. */
export class PauseGate {
  readonly #home: string
  readonly #monitor: Monitor
  #release: (() => void) | undefined

  /** @param home the folder's state directory, which holds the file */
  constructor(home: string, monitor: Monitor) {
    this.#home = home
    this.#monitor = monitor
  }

  /** Whether the folder is paused. */
  get isOn(): boolean {
    return isPaused(this.#home)
  }

  /** Pauses the folder after its current pass. @throws the system's error */
  begin(queue: FolderQueue | undefined): void {
    setPaused(this.#home, true)
    this.holdIfPaused(queue)
  }

  /** Holds the passes of a session if the folder is paused. */
  holdIfPaused(queue: FolderQueue | undefined): void {
    if (!this.isOn || this.#release !== undefined || queue === undefined) return
    this.#release = queue.holdPasses()
    this.#monitor.emit({ type: 'paused', paused: true })
  }

  /** Resumes the folder. @returns whether passes were held @throws the system's error */
  end(): boolean {
    setPaused(this.#home, false)
    if (this.#release === undefined) return false
    this.release()
    this.#monitor.emit({ type: 'paused', paused: false })
    return true
  }

  /** Lets held passes go, so that their loop can end; the folder stays paused. */
  release(): void {
    this.#release?.()
    this.#release = undefined
  }
}
