import { Lateness } from './lateness.ts'

/** How often the clock makes sure that the process runs. Of a longer pause it counts this much, in milliseconds. */
const tickMs = 250

/** Real time. No timer keeps the process from ending: whatever a time limit is for does. */
export interface Timers {
  /** Milliseconds since any moment; never goes back. */
  now(): number
  /** Calls `act` after so many whole milliseconds, unless the function that it returns is called before. */
  after(ms: number, act: () => void): () => void
  /** Calls `act` every `ms` milliseconds. */
  every(ms: number, act: () => void): void
  /** Calls `act` when whatever had come from outside until now was handed on. */
  afterInput(act: () => void): void
}

const systemTimers: Timers = {
  now: () => performance.now(),
  after(ms, act) {
    const timer = setTimeout(act, ms).unref()
    return () => clearTimeout(timer)
  },
  every: (ms, act) => void setInterval(act, ms).unref(),
  afterInput: (act) => void setImmediate(act)
}

/**
 * Counts the time in which this process was able to run. A process that was stopped, or that a busy machine gave no
 * time, finds its timers due before it has read what came meanwhile; by this clock hardly any time has passed for it.
 */
export class AttendedClock {
  readonly #timers: Timers
  readonly #lateness = new Lateness()
  #attendedMs = 0
  /** The real time of the last tick. */
  #tickedMs = 0
  #isTicking = false

  constructor(timers: Timers = systemTimers) {
    this.#timers = timers
  }

  now(): number {
    return this.#attendedMs + Math.min(this.#sinceTickMs(), tickMs)
  }

  /** How late our own timers have run lately at worst, in milliseconds. */
  get lateMs(): number {
    return this.#lateness.at(this.now())
  }

  /**
   * Calls `act` when `ms` of such time have passed and what came meanwhile was read, unless the function that it
   * returns is called before.
   */
  after(ms: number, act: () => void): () => void {
    const dueMs = this.now() + ms
    let isCancelled = false
    let cancelTimer = () => {}
    const wait = () => {
      const leftMs = dueMs - this.now()
      // Node cuts off the fraction of a delay, and may be early by what its clock rounds off.
      if (leftMs > 0) cancelTimer = this.#timers.after(Math.ceil(leftMs) + 1, wait)
      else this.#timers.afterInput(() => isCancelled || act())
    }
    wait()
    return () => {
      isCancelled = true
      cancelTimer()
    }
  }

  /** Like `AbortSignal.timeout`, of attended time. */
  timeout(ms: number): AbortSignal {
    const controller = new AbortController()
    this.after(ms, () => controller.abort(new DOMException(`Waited ${ms} ms in vain`, 'TimeoutError')))
    return controller.signal
  }

  #sinceTickMs(): number {
    const nowMs = this.#timers.now()
    if (!this.#isTicking) {
      this.#isTicking = true
      this.#tickedMs = nowMs
      this.#timers.every(tickMs, () => this.#tick())
    }
    return nowMs - this.#tickedMs
  }

  #tick(): void {
    const elapsedMs = this.#sinceTickMs()
    this.#attendedMs += Math.min(elapsedMs, tickMs)
    this.#tickedMs += elapsedMs
    this.#lateness.note(elapsedMs - tickMs, this.#attendedMs)
  }
}

/** The one of this process. */
export const attendedClock = new AttendedClock()
