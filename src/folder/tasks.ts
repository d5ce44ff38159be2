import { SyncError } from '../errors.ts'

/** Operations on an open folder, which end before the folder closes. */
export class Tasks {
  readonly #running = new Set<Promise<unknown>>()
  readonly #stop = new AbortController()

  /**
   * Runs an operation whose signal is aborted with `signal`, or when the folder closes.
   *
   * @throws {SyncError} CLOSED when the folder's closing cut it short; the reason of `signal`, and whatever `act` throws
   */
  async run<T>(signal: AbortSignal | undefined, act: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const stop = this.#stop.signal
    const either = AbortSignal.any(signal === undefined ? [stop] : [stop, signal])
    const task = act(either)
    this.#running.add(task)
    try {
      return await task
    } catch (error) {
      // An operation that is cut short fails in many ways.
      if (stop.aborted) throw new SyncError('CLOSED', 'The folder was closed', { cause: error })
      signal?.throwIfAborted()
      throw error
    } finally {
      this.#running.delete(task)
    }
  }

  /** Asks all operations to end, for good. */
  abort(): void {
    this.#stop.abort()
  }

  /** Resolves when none is running. */
  async ended(): Promise<void> {
    await Promise.allSettled(this.#running)
  }
}
