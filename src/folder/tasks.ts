import { SyncError } from '../errors.ts'

/** What somebody asked of a folder that is open, and that has to end before it is closed. */
export class Tasks {
  readonly #running = new Set<Promise<unknown>>()
  #stop = new AbortController()

  /**
   * Does something that ends early when `signal` is aborted, or the folder is closed.
   *
   * @throws {SyncError} CLOSED when it was ended by that; the reason of `signal`, and whatever `act` throws
   */
  async run<T>(signal: AbortSignal | undefined, act: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const stop = this.#stop.signal
    const either = AbortSignal.any(signal === undefined ? [stop] : [stop, signal])
    const task = act(either)
    this.#running.add(task)
    try {
      return await task
    } catch (error) {
      // What was cut short fails in many ways.
      if (stop.aborted) throw new SyncError('CLOSED', 'The folder was closed', { cause: error })
      signal?.throwIfAborted()
      throw error
    } finally {
      this.#running.delete(task)
    }
  }

  /** Has all that is being done end. */
  abort(): void {
    this.#stop.abort()
    this.#stop = new AbortController()
  }

  /** Resolves when nothing is being done. */
  async ended(): Promise<void> {
    await Promise.allSettled(this.#running)
  }
}
