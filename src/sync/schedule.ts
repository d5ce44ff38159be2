/** How a burst of events becomes one piece of work. */
export interface ScheduleOptions {
  /** Quiet that has to pass after the last event, in milliseconds. */
  readonly settleMs: number
  /** After this long a burst is taken up though it goes on, in milliseconds. */
  readonly settleMsMax: number
}

/** Waits for events to come and to settle. Time is counted by a monotonic clock. */
export class Schedule {
  readonly #options: ScheduleOptions
  #firstMs = 0
  #lastMs = 0
  #due = false
  #wake: (() => void) | undefined

  constructor(options: ScheduleOptions) {
    this.#options = options
  }

  /** Something happened. */
  poke(): void {
    const nowMs = performance.now()
    if (!this.#due) this.#firstMs = nowMs
    this.#lastMs = nowMs
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
        this.#due = false
        return 'events'
      }
      await this.#sleep(waitMs, signal)
    }
  }

  #settlesInMs(nowMs: number): number {
    const { settleMs, settleMsMax } = this.#options
    return Math.min(this.#lastMs + settleMs, this.#firstMs + settleMsMax) - nowMs
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
