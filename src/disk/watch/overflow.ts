import { readFileSync } from 'node:fs'

/**
 * The kernel's default limit of queued events per inotify instance. Beyond it the kernel drops events, and libuv
 * doesn't report that.
 */
const queuedEventsDefault = 16_384
/**
 * The smallest part of a full queue that reaches us: events of directories that were removed meanwhile, and the ends of
 * their watches, are queued too but libuv reports them to nobody. A false alarm costs a scan of the whole folder.
 */
const deliveredShare = 0.5
/** A burst ends after `quietMs` without events, and at the latest after `quietMsMax`. */
const quietMs = 200
const quietMsMax = 5000

/** The number of events in one turn from which on some may have been lost. */
export function overflowThreshold(): number {
  let limit = queuedEventsDefault
  try {
    limit = Number(readFileSync('/proc/sys/fs/inotify/max_queued_events', 'utf8')) || queuedEventsDefault
  } catch {
    // Another system, or one that hides the limit.
  }
  return Math.max(1, Math.floor(limit * deliveredShare))
}

/**
 * Detects bursts of events that must have filled the kernel's queue, or nearly so. libuv reads the whole queue in one
 * turn of the event loop, so the events of one turn were in the queue together.
 */
export class OverflowGuess {
  readonly #threshold: number
  readonly #onOverflow: (events: number) => void
  #inTurn = 0
  #burst = 0
  #firstMs = 0
  #timer: NodeJS.Timeout | undefined

  /** @param onOverflow called when the burst has ended, with the highest number of events in one turn */
  constructor(onOverflow: (events: number) => void, threshold = overflowThreshold()) {
    this.#threshold = threshold
    this.#onOverflow = onOverflow
  }

  /** Counts an event. */
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
    if (this.#burst === 0) this.#firstMs = nowMs
    this.#burst = Math.max(this.#burst, events)
    clearTimeout(this.#timer)
    const waitMs = Math.max(0, Math.min(quietMs, this.#firstMs + quietMsMax - nowMs))
    this.#timer = setTimeout(() => {
      const burst = this.#burst
      this.#burst = 0
      this.#onOverflow(burst)
    }, waitMs)
    this.#timer.unref()
  }
}
