import { isPaused, setPaused } from '../disk/pause-file.ts'
import type { Monitor } from './monitor.ts'
import type { Turns } from './turns.ts'

/** A folder's rest: while it lasts, a turn is held that its loop would have. */
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

  /** Takes the turn where the rest was written down. */
  take(turns: Turns | undefined): void {
    if (!this.isOn || this.#release !== undefined || turns === undefined) return
    const held = new Promise<void>((resolve) => {
      this.#release = resolve
    })
    void turns.run(() => held)
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

  /** Gives the turn back; what was written down stays. */
  letGo(): void {
    this.#release?.()
    this.#release = undefined
  }
}
