import { isSilence } from '../silence.ts'

const ticks = 20

/** Waits for something to come, and no longer than so long for nothing. */
export class IdleTimeout {
  readonly #controller = new AbortController()
  readonly #timer: NodeJS.Timeout
  readonly #outer: AbortSignal
  readonly #options: { readonly timeoutMs: number; readonly received: () => number }
  #received: number
  #sinceMs = performance.now()

  /** @param options.received tells the bytes received so far */
  constructor(outer: AbortSignal, options: { readonly timeoutMs: number; readonly received: () => number }) {
    this.#outer = outer
    this.#options = options
    this.#received = options.received()
    this.#timer = setInterval(() => this.#look(), Math.max(1, options.timeoutMs / ticks))
    outer.addEventListener('abort', this.#onAbort)
    if (outer.aborted) this.#onAbort()
  }

  /** Aborted when nothing has come for too long, or when all is to end. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Whether it ended for nothing having come. */
  get isOver(): boolean {
    return this.#controller.signal.aborted && !this.#outer.aborted
  }

  /** Something came forward without anything being received. */
  readonly active = (): void => {
    this.#sinceMs = performance.now()
  }

  end(): void {
    clearInterval(this.#timer)
    this.#outer.removeEventListener('abort', this.#onAbort)
  }

  readonly #onAbort = (): void => this.#controller.abort(this.#outer.reason)

  #look(): void {
    const received = this.#options.received()
    if (!isSilence(received - this.#received)) {
      this.#received = received
      this.#sinceMs = performance.now()
    } else if (performance.now() - this.#sinceMs >= this.#options.timeoutMs) {
      this.#controller.abort(new Error('Nothing came in time'))
    }
  }
}
