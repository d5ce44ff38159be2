import { readFileSync } from 'node:fs'

/**
 * What the kernel queues at least for one who watches, unless told otherwise. Beyond its limit events
 * are lost, and libuv keeps to itself that some were.
 */
const queuedEventsDefault = 16_384
/**
 * Part of a full queue that we hear of at least: what happened in directories that went meanwhile, and
 * that their watches ended, is queued too but told to nobody. A false alarm costs a look at everything.
 */
const heardShare = 0.5
/** A burst has ended when nothing came for so long; one that doesn't end is taken up after the longer time. */
const quietMs = 200
const quietMsMax = 5000

/** How many events at once mean that more may have been lost. */
export function overflowThreshold(): number {
  let limit = queuedEventsDefault
  try {
    limit = Number(readFileSync('/proc/sys/fs/inotify/max_queued_events', 'utf8')) || queuedEventsDefault
  } catch {
    // Another system, or one that hides it.
  }
  return Math.max(1, Math.floor(limit * heardShare))
}

/**
 * Tells when so many events came at once that the kernel's queue must have been full, or nearly so. The
 * whole queue is read in one turn of the event loop, so what comes in one turn was in the queue.
 */
export class OverflowGuess {
  readonly #threshold: number
  readonly #onOverflow: (events: number) => void
  #inTurn = 0
  #atOnce = 0
  #firstMs = 0
  #timer: NodeJS.Timeout | undefined

  /** @param onOverflow is called once the burst is over, with how many events came in one turn */
  constructor(onOverflow: (events: number) => void, threshold = overflowThreshold()) {
    this.#threshold = threshold
    this.#onOverflow = onOverflow
  }

  /** An event came. */
  count(): void {
    if (this.#inTurn++ === 0) {
      setImmediate(() => {
        if (this.#inTurn >= this.#threshold) this.#suspect(this.#inTurn)
        this.#inTurn = 0
      })
    }
  }

  end(): void {
    clearTimeout(this.#timer)
  }

  #suspect(events: number): void {
    const nowMs = performance.now()
    if (this.#atOnce === 0) this.#firstMs = nowMs
    this.#atOnce = Math.max(this.#atOnce, events)
    clearTimeout(this.#timer)
    const waitMs = Math.max(0, Math.min(quietMs, this.#firstMs + quietMsMax - nowMs))
    this.#timer = setTimeout(() => {
      const atOnce = this.#atOnce
      this.#atOnce = 0
      this.#onOverflow(atOnce)
    }, waitMs)
    this.#timer.unref()
  }
}
