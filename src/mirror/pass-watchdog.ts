import { isSilence } from '../silence.ts'

/** A pass that gets no more bytes than keep a connection alive is given up when a newer version is there. */
const stallMs = 5000

/** A pass was given up in favour of a newer version, or of what somebody wants to be done with the folder. */
export class PassStalled extends Error {}

export interface PassWatchdogOptions {
  /** Ends the pass whatever it does. */
  readonly stop: AbortSignal
  /** Tells the bytes received from all peers so far. */
  readonly received: () => number
  /** Whether a newer version is there, or somebody waits for the pass to end. */
  readonly isOutdated: () => boolean
}

/** Watches over one pass: whether it comes forward, by what it receives or by its own work. */
export class PassWatchdog {
  /** Aborted at the end of all, or with `Stalled` when the pass waits for contents that a newer version may not need. */
  readonly signal: AbortSignal
  readonly #options: PassWatchdogOptions
  // Not by `AbortSignal.any`: a signal that lasts would remember every pass.
  readonly #controller = new AbortController()
  readonly #timer: NodeJS.Timeout
  #received: number
  #activeMs = performance.now()

  constructor(options: PassWatchdogOptions) {
    this.#options = options
    this.#received = options.received()
    this.signal = this.#controller.signal
    options.stop.addEventListener('abort', this.#onStop)
    if (options.stop.aborted) this.#onStop()
    this.#timer = setInterval(() => this.#look(), stallMs / 5)
  }

  /** The pass has done something. */
  active(): void {
    this.#activeMs = performance.now()
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
    if (!isSilence(received - this.#received)) {
      this.#received = received
      this.active()
    } else if (performance.now() - this.#activeMs >= stallMs && this.#options.isOutdated()) {
      this.#controller.abort(new PassStalled('Nothing comes for it, and something else is to be done'))
    }
  }
}
