import { attendedClock } from '../attended-clock.ts'

/** A pass that gets no more bytes than keep a connection alive is given up when a newer version is there. */
const stallMs = 5000
const stallBytesMin = 4096
const looks = 5

/** A pass was given up in favour of a newer version, or of what somebody wants to be done with the folder. */
export class PassStalled extends Error {}

export interface PassWatchdogOptions {
  /** Ends the pass whatever it does. */
  readonly stop: AbortSignal
  /** Tells the bytes received from all peers so far. */
  readonly received: () => number
  /** Whether a newer version is there, or somebody waits for the pass to end. */
  readonly isOutdated: () => boolean
  /** How long a pass may wait for nothing, in milliseconds; 5 seconds when left out. */
  readonly stallMs?: number
}

/** Watches over one pass: whether it comes forward, by what it receives or by its own work. */
export class PassWatchdog {
  /** Aborted at the end of all, or with `Stalled` when the pass waits for contents that a newer version may not need. */
  readonly signal: AbortSignal
  readonly #options: PassWatchdogOptions
  // Not by `AbortSignal.any`: a signal that lasts would remember every pass.
  readonly #controller = new AbortController()
  readonly #timer: NodeJS.Timeout
  readonly #stallMs: number
  #received: number
  #activeMs = attendedClock.now()
  #isAtWork: () => boolean = () => false

  constructor(options: PassWatchdogOptions) {
    this.#options = options
    this.#received = options.received()
    this.signal = this.#controller.signal
    options.stop.addEventListener('abort', this.#onStop)
    if (options.stop.aborted) this.#onStop()
    this.#stallMs = options.stallMs ?? stallMs
    this.#timer = setInterval(() => this.#look(), this.#stallMs / looks)
  }

  /** The pass has done something. */
  active(): void {
    this.#activeMs = attendedClock.now()
  }

  /**
   * Begins work with which the pass comes forward whenever it waits for no peer, however long it takes. Else a pass of a
   * slow machine or disk would be given up, and begun anew, for as long as newer versions come.
   *
   * @returns what ends that
   */
  beginWork(waitsForPeers: () => boolean): () => void {
    this.#isAtWork = () => !waitsForPeers()
    return () => {
      this.#isAtWork = () => false
      this.active()
    }
  }

  /** What it is made for isn't wanted any more. */
  giveUp(): void {
    this.#controller.abort(new PassStalled('Something else is wanted'))
  }

  end(): void {
    clearInterval(this.#timer)
    this.#options.stop.removeEventListener('abort', this.#onStop)
  }

  readonly #onStop = (): void => this.#controller.abort(this.#options.stop.reason)

  #look(): void {
    const received = this.#options.received()
    const nowMs = attendedClock.now()
    if (this.#isAtWork()) this.active()
    if (received - this.#received >= stallBytesMin) {
      this.#received = received
      this.active()
    } else if (nowMs - this.#activeMs >= this.#stallMs && this.#options.isOutdated()) {
      this.#controller.abort(new PassStalled('Nothing comes for it, and something else is to be done'))
    }
  }
}
