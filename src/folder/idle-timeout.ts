import { attendedClock } from '../attended-clock.ts'
import { isSilence } from '../keep-alive-bytes.ts'

/** Checks per timeout. */
const ticks = 20

/** Aborts after `timeoutMs` without received bytes. */
export class IdleTimeout {
  readonly #controller = new AbortController()
  readonly #timer: NodeJS.Timeout
  readonly #outer: AbortSignal
  readonly #options: { readonly timeoutMs: number; readonly received: () => number }
  #received: number
  #sinceMs = attendedClock.now()

  /**
   * @param outer aborts it, too
   * @param options.received returns the bytes received so far
   */
  constructor(outer: AbortSignal, options: { readonly timeoutMs: number; readonly received: () => number }) {
    this.#outer = outer
    this.#options = options
    this.#received = options.received()
    this.#timer = setInterval(() => this.#check(), Math.max(1, options.timeoutMs / ticks))
    outer.addEventListener('abort', this.#onAbort)
    if (outer.aborted) this.#onAbort()
  }

  /** Aborted at the timeout, or with the outer signal. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Whether the timeout aborted it. */
  get isOver(): boolean {
    return this.#controller.signal.aborted && !this.#outer.aborted
  }

  /** There was progress without received bytes: the timeout starts anew. */
  readonly active = (): void => {
    this.#sinceMs = attendedClock.now()
  }

  /** Stops watching. */
  end(): void {
    clearInterval(this.#timer)
    this.#outer.removeEventListener('abort', this.#onAbort)
  }

  readonly #onAbort = (): void => this.#controller.abort(this.#outer.reason)

  #check(): void {
    const received = this.#options.received()
    const nowMs = attendedClock.now()
    if (!isSilence(received - this.#received)) {
      this.#received = received
      this.#sinceMs = nowMs
    } else if (nowMs - this.#sinceMs >= this.#options.timeoutMs) {
      this.#controller.abort(new Error('Nothing came in time'))
    }
  }
}
