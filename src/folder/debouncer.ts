/** How a burst of events becomes one piece of work. */
export interface DebounceOptions {
  /** Quiet that has to pass after the last event of a change that stands alone, in milliseconds. */
  readonly settleMs: number
  /** After this long a burst is taken up though it goes on, in milliseconds. */
  readonly settleMsMax: number
}

/** Bursts that follow each other, without a pause of this length, are given more and more quiet, up to the other. */
const pauseMs = 250
const quietMsMax = 200
/** So many of them are taken up as soon as they have settled. */
const promptMax = 3
/** After so many events more are to be expected: they get so many times the quiet. */
const busyEvents = 100
const busyFactor = 2.5
/** After one of so many events the next has `settleMsMax` to grow. */
const largeEvents = 1000

/**
 * Waits for events to come and to settle: for `settleMs` where a change stands alone, for longer where
 * much changes, or again and again. Time is counted by a monotonic clock.
 */
export class Debouncer {
  readonly #options: DebounceOptions
  #firstMs = 0
  #lastMs = 0
  #due = false
  #events = 0
  /** Bursts taken up since the last pause. */
  #inRow = 0
  #notBeforeMs = 0
  #wake: (() => void) | undefined

  constructor(options: DebounceOptions) {
    this.#options = options
  }

  /** Something happened. */
  poke(): void {
    const nowMs = performance.now()
    if (nowMs - this.#lastMs >= pauseMs) this.#inRow = 0
    if (!this.#due) this.#firstMs = nowMs
    this.#lastMs = nowMs
    this.#events++
    this.#due = true
    this.#wake?.()
  }

  /** Resolves when events have come and settled, or after `timeoutMs` without any; at once when aborted. */
  async settled(timeoutMs: number, signal: AbortSignal): Promise<'events' | 'timeout' | 'aborted'> {
    const startMs = performance.now()
    for (;;) {
      if (signal.aborted) return 'aborted'
      const nowMs = performance.now()
      const waitMs = this.#due ? this.#settlesInMs(nowMs) : timeoutMs - (nowMs - startMs)
      if (waitMs <= 0) {
        if (!this.#due) return 'timeout'
        this.#take(nowMs)
        return 'events'
      }
      await this.#sleep(waitMs, signal)
    }
  }

  #take(nowMs: number): void {
    if (this.#events >= largeEvents) this.#notBeforeMs = nowMs + this.#options.settleMsMax
    this.#due = false
    this.#events = 0
    this.#inRow++
  }

  #settlesInMs(nowMs: number): number {
    const { settleMsMax } = this.#options
    const settledMs = Math.min(this.#lastMs + this.#quietMs, this.#firstMs + settleMsMax)
    return Math.max(settledMs, this.#notBeforeMs) - nowMs
  }

  /** Quiet that has to pass after the last event, in milliseconds. */
  get #quietMs(): number {
    const { settleMs } = this.#options
    const doublings = Math.min(this.#inRow - promptMax + 1, 10)
    if (doublings > 0) return Math.max(settleMs, Math.min(settleMs * 2 ** doublings, quietMsMax))
    return this.#events >= busyEvents ? settleMs * busyFactor : settleMs
  }

  /** While a burst goes on there is no need to wake for each of its events. */
  #sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', end)
        this.#wake = undefined
        resolve()
      }
      const timer = setTimeout(end, Math.min(Math.ceil(ms), 2 ** 31 - 1))
      signal.addEventListener('abort', end)
      if (!this.#due) this.#wake = end
    })
  }
}
