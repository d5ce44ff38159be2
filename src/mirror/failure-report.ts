import { messageOf } from '../errors.ts'
import type { Monitor } from '../folder/monitor.ts'

/** Reports a fatal error once, until it clears. */
export class FailureReport {
  readonly #monitor: Pick<Monitor, 'error'>
  readonly #onFailure: (error: unknown) => boolean
  #message: string | undefined

  /** @param onFailure called with each error first; where it answers `true` nothing is reported, as somebody else does so */
  constructor(monitor: Pick<Monitor, 'error'>, onFailure: (error: unknown) => boolean) {
    this.#monitor = monitor
    this.#onFailure = onFailure
  }

  readonly report = (error: unknown): void => {
    if (this.#onFailure(error) || this.#message === messageOf(error)) return
    this.#message = messageOf(error)
    this.#monitor.error(error)
  }

  /** The error is over. @returns whether one was reported */
  clear(): boolean {
    const isReported = this.#message !== undefined
    this.#message = undefined
    return isReported
  }
}
