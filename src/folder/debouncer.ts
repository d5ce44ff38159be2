/** When a burst of events has settled and becomes one piece of work. */
export interface DebounceOptions {
  /** Quiet after the last event of a single change, in milliseconds. */
  readonly settleMs: number
  /** A burst that goes on is taken up after this time, in milliseconds. */
  readonly settleMsMax: number
}

/** Bursts without a pause of this length between them need more and more quiet, up to `quietMsMax`. */
const pauseMs = 250
const quietMsMax = 200
/** The first bursts in a row need no more quiet than a single change. */
const promptBursts = 3
/** A burst of this many events is likely to go on: it needs `busyFactor` times the quiet. */
const busyEvents = 100
const busyFactor = 2.5
/** After a burst of this many events the next may grow for `settleMsMax`. */
const largeEvents = 1000

/** Tells the time, and wakes whoever waits for it; in milliseconds, and never going back. */
export interface DebounceClock {
  now(): number
  /** Calls `act` once after a time. @returns what keeps it from being called */
  after(ms: number, act: () => void): () => void
}

const systemClock: DebounceClock = {
  now: () => performance.now(),
  after(ms, act) {
    const timer = setTimeout(act, ms)
    return () => clearTimeout(timer)
  }
}

/**
 * Waits until events have come and settled: for `settleMs` after a single change, longer when many changes come, or come
 * again and again. Time is that of a monotonic clock.
 */
export class Debouncer {
  readonly #options: DebounceOptions
  readonly #clock: DebounceClock
  #firstMs = 0
  #lastMs = 0
  #isPending = false
  #events = 0
  /** Bursts that were taken up since the last pause. */
  #burstsInRow = 0
  #notBeforeMs = 0
  #wake: (() => void) | undefined

  constructor(options: DebounceOptions, clock = systemClock) {
    this.#options = options
    this.#clock = clock
  }

  /** An event has come. */
  poke(): void {
    const nowMs = this.#clock.now()
    if (nowMs - this.#lastMs >= pauseMs) this.#burstsInRow = 0
    if (!this.#isPending) this.#firstMs = nowMs
    this.#lastMs = nowMs
    this.#events++
    this.#isPending = true
    this.#wake?.()
  }

  /** Resolves when events have come and settled, or after `timeoutMs` without any; at once when aborted. */
  async settled(timeoutMs: number, signal: AbortSignal): Promise<'events' | 'timeout' | 'aborted'> {
    const startMs = this.#clock.now()
    for (;;) {
      if (signal.aborted) return 'aborted'
      const nowMs = this.#clock.now()
      const waitMs = this.#isPending ? this.#settlesInMs(nowMs) : timeoutMs - (nowMs - startMs)
      if (waitMs <= 0) {
        if (!this.#isPending) return 'timeout'
        this.#take(nowMs)
        return 'events'
      }
      await this.#sleep(waitMs, signal)
    }
  }

  #take(nowMs: number): void {
    if (this.#events >= largeEvents) this.#notBeforeMs = nowMs + this.#options.settleMsMax
    this.#isPending = false
    this.#events = 0
    this.#burstsInRow++
  }

  #settlesInMs(nowMs: number): number {
    const { settleMsMax } = this.#options
    const settledMs = Math.min(this.#lastMs + this.#quietMs, this.#firstMs + settleMsMax)
    return Math.max(settledMs, this.#notBeforeMs) - nowMs
  }

  /** Quiet that has to pass after the last event, in milliseconds. */
  get #quietMs(): number {
    const { settleMs } = this.#options
    const doublings = Math.min(this.#burstsInRow - promptBursts + 1, 10)
    if (doublings > 0) return Math.max(settleMs, Math.min(settleMs * 2 ** doublings, quietMsMax))
    return this.#events >= busyEvents ? settleMs * busyFactor : settleMs
  }

  /** Events of a burst that goes on wake nobody: only the first does. */
  #sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        cancel()
        signal.removeEventListener('abort', end)
        this.#wake = undefined
        resolve()
      }
      const cancel = this.#clock.after(Math.min(Math.ceil(ms), 2 ** 31 - 1), end)
      signal.addEventListener('abort', end)
      if (!this.#isPending) this.#wake = end
    })
  }
}
