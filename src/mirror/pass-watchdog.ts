import { attendedClock } from '../attended-clock.ts'
import { isSilence } from '../keep-alive-bytes.ts'

/** A pass without progress for this long is given up, where a newer version is there or somebody waits for the folder. */
const stallMs = 5000
const checksPerStall = 5

/** A pass was given up in favour of a newer version, or of other work on the folder. */
export class PassStalled extends Error {}

export interface PassWatchdogOptions {
  /** Aborts the pass with its own reason. */
  readonly stop: AbortSignal
  /** Gives the bytes received from all peers so far. */
  readonly received: () => number
  /** Whether a newer version is there, or somebody waits for the pass to end. */
  readonly isOutdated: () => boolean
  /** How long a pass may stand still, in milliseconds of attended time. 5 seconds when left out. */
  readonly stallMs?: number
}

/** Watches one pass for progress: bytes that it receives, or work of its own. */
export class PassWatchdog {
  /** Aborted by `stop`, or with `PassStalled` when the pass waits for contents that a newer version may not need. */
  readonly signal: AbortSignal
  readonly #options: PassWatchdogOptions
  // Not by `AbortSignal.any`: a long-lived signal would keep every pass in memory.
  readonly #controller = new AbortController()
  readonly #timer: NodeJS.Timeout
  readonly #stallMs: number
  #received: number
  #activeMs = attendedClock.now()
  #isWorking: () => boolean = () => false

  constructor(options: PassWatchdogOptions) {
    this.#options = options
    this.#received = options.received()
    this.signal = this.#controller.signal
    options.stop.addEventListener('abort', this.#onStop)
    if (options.stop.aborted) this.#onStop()
    this.#stallMs = options.stallMs ?? stallMs
    this.#timer = setInterval(() => this.#check(), this.#stallMs / checksPerStall)
  }

  /** The pass has made progress. */
  active(): void {
    this.#activeMs = attendedClock.now()
  }

  /**
   * Starts work that counts as progress while it waits for no peer, however long it takes. Otherwise a slow machine or
   * disk would lose its pass, and begin again, as long as newer versions keep arriving.
   *
   * @returns a function that ends the work
   */
  beginWork(waitsForPeers: () => boolean): () => void {
    this.#isWorking = () => !waitsForPeers()
    return () => {
      this.#isWorking = () => false
      this.active()
    }
  }

  /** Aborts the pass: nobody wants its result any more. */
  giveUp(): void {
    this.#controller.abort(new PassStalled('Something else is wanted'))
  }

  end(): void {
    clearInterval(this.#timer)
    this.#options.stop.removeEventListener('abort', this.#onStop)
  }

  readonly #onStop = (): void => this.#controller.abort(this.#options.stop.reason)

  #check(): void {
    if (this.#isWorking()) this.active()
    const received = this.#options.received()
    if (!isSilence(received - this.#received)) {
      this.#received = received
      this.active()
    } else if (attendedClock.now() - this.#activeMs >= this.#stallMs && this.#options.isOutdated()) {
      this.#controller.abort(new PassStalled('The pass receives nothing, and other work waits'))
    }
  }
}

/** Runs the passes of a mirror, one at a time, each under a watchdog. */
export class WatchedPasses {
  readonly #options: Omit<PassWatchdogOptions, 'isOutdated'>
  #watchdog: PassWatchdog | undefined
  #endedMs = 0

  constructor(options: Omit<PassWatchdogOptions, 'isOutdated'>) {
    this.#options = options
  }

  /** Runs `act`. @throws the reason of its signal when that was aborted, otherwise what `act` throws */
  async run<T>(isOutdated: () => boolean, act: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const watchdog = new PassWatchdog({ ...this.#options, isOutdated })
    this.#watchdog = watchdog
    try {
      return await act(watchdog.signal)
    } catch (error) {
      // An aborted pass fails in many ways; the signal has the reason.
      watchdog.signal.throwIfAborted()
      throw error
    } finally {
      watchdog.end()
      this.#watchdog = undefined
      this.#endedMs = performance.now()
    }
  }

  /** The running pass has made progress. */
  readonly active = (): void => this.#watchdog?.active()

  /** As `PassWatchdog.beginWork`, for the running pass. */
  readonly beginWork = (waitsForPeers: () => boolean): (() => void) => {
    return this.#watchdog?.beginWork(waitsForPeers) ?? (() => {})
  }

  /** Aborts the running pass, if there is one. */
  giveUp(): void {
    this.#watchdog?.giveUp()
  }

  /** Whether no pass has run for `ms` milliseconds. */
  areIdleFor(ms: number): boolean {
    return this.#watchdog === undefined && performance.now() - this.#endedMs >= ms
  }
}
