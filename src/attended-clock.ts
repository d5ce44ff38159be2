import { Lateness } from './lateness.ts'

/** The clock's tick in milliseconds. A longer pause between two ticks counts as one tick. */
const tickMs = 250

/** Real time. Its timers don't keep the process alive; the work behind a time limit does that itself. */
export interface Timers {
  /** Monotonic time in milliseconds. */
  now(): number
  /** Calls `act` after `ms` whole milliseconds. @returns a function that cancels the call */
  after(ms: number, act: () => void): () => void
  /** Calls `act` every `ms` milliseconds. */
  every(ms: number, act: () => void): void
  /** Calls `act` after all input that has already arrived is handled. */
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
 * Counts the time in which this process was able to run. After it was stopped, or got no time on a busy machine, a
 * process finds its real timers due before it has read the input that arrived meanwhile; by this clock hardly any time
 * has passed.
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

  /** Attended time in milliseconds. */
  now(): number {
    return this.#attendedMs + Math.min(this.#sinceTickMs(), tickMs)
  }

  /** The worst recent lateness of this process's timers, in milliseconds. */
  get lateMs(): number {
    return this.#lateness.at(this.now())
  }

  /**
   * Calls `act` after `ms` of attended time, once all input that arrived meanwhile is handled.
   *
   * @returns a function that cancels the call
   */
  after(ms: number, act: () => void): () => void {
    const dueMs = this.now() + ms
    let isCancelled = false
    let cancelTimer = () => {}
    const wait = () => {
      const leftMs = dueMs - this.now()
      // Node truncates delays to whole milliseconds, and may fire early by its clock's rounding.
      if (leftMs > 0) cancelTimer = this.#timers.after(Math.ceil(leftMs) + 1, wait)
      else this.#timers.afterInput(() => isCancelled || act())
    }
    wait()
    return () => {
      isCancelled = true
      cancelTimer()
    }
  }

  /** Like `AbortSignal.timeout`, but in attended time. */
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

/** The clock of this process. */
export const attendedClock = new AttendedClock()
