import { SyncError } from '../errors.ts'
import type { Monitor, SyncEvent } from './monitor.ts'

/** Events that wait for an iteration which is slower than they come. */
const queuedEventsMax = 10_000

/** The events of a folder, until it is closed. */
export class FolderEvents implements AsyncIterable<SyncEvent> {
  readonly #monitor: Monitor
  readonly #onEnd = new Set<() => void>()
  #isOver = false

  constructor(monitor: Monitor) {
    this.#monitor = monitor
  }

  /** Calls `listener` with every event from now on. @returns a function that ends it */
  subscribe(listener: (event: SyncEvent) => void): () => void {
    return this.#monitor.subscribe(listener)
  }

  /**
   * Every event from now on, until `end`. When events come faster than the iteration takes them, progress is dropped
   * first; beyond 10,000 others waiting, the oldest.
   */
  [Symbol.asyncIterator](): AsyncIterator<SyncEvent> {
    const queue: SyncEvent[] = []
    let wake = () => {}
    const onEnd = () => wake()
    this.#onEnd.add(onEnd)
    const unsubscribe = this.subscribe((event) => {
      if (event.type === 'progress' && queue.at(-1)?.type === 'progress') queue.pop()
      if (queue.length >= queuedEventsMax) queue.shift()
      queue.push(event)
      wake()
    })
    const finish = (): IteratorResult<SyncEvent> => {
      unsubscribe()
      this.#onEnd.delete(onEnd)
      return { done: true, value: undefined }
    }
    return {
      next: async () => {
        for (;;) {
          const event = queue.shift()
          if (event !== undefined) return { done: false, value: event }
          if (this.#isOver) return finish()
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        }
      },
      return: async () => finish()
    }
  }

  /** Resolves with the next event that `isIt` accepts. @throws {SyncError} CLOSED when there will be none */
  next(isIt: (event: SyncEvent) => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#isOver) return reject(closed())
      const stop = () => {
        unsubscribe()
        this.#onEnd.delete(onEnd)
      }
      const onEnd = () => {
        stop()
        reject(closed())
      }
      const unsubscribe = this.subscribe((event) => {
        if (!isIt(event)) return
        stop()
        resolve()
      })
      this.#onEnd.add(onEnd)
    })
  }

  /** The folder is closed: ends all iterations, and rejects what waits for an event. */
  end(): void {
    this.#isOver = true
    for (const onEnd of [...this.#onEnd]) onEnd()
  }
}

function closed(): SyncError {
  return new SyncError('CLOSED', 'The folder was closed')
}
