/** What passes between two looks counts for no more than this many intervals. */
const intervalsMax = 2

/**
 * Time as it passes for somebody who looks at regular intervals, in milliseconds. A process that was held up, by a busy
 * machine or a sleeping one, finds what came meanwhile only after its timers have run: by the clock it would take every
 * peer for silent.
 */
export class WatchedTime {
  readonly #intervalMs: number
  readonly #clock: () => number
  #lookedMs: number
  #nowMs = 0

  /** @param clock tells a time that never goes back */
  constructor(intervalMs: number, clock = () => performance.now()) {
    this.#intervalMs = intervalMs
    this.#clock = clock
    this.#lookedMs = clock()
  }

  /** The time of the last look. */
  get nowMs(): number {
    return this.#nowMs
  }

  /** Looks, which is to be done at each interval. @returns the time */
  look(): number {
    const nowMs = this.#clock()
    this.#nowMs += Math.min(nowMs - this.#lookedMs, intervalsMax * this.#intervalMs)
    this.#lookedMs = nowMs
    return this.#nowMs
  }
}
