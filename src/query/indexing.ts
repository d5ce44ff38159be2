import { setTimeout as sleep } from 'node:timers/promises'
import type { LogView } from '../log/log-view.ts'

/** The wait after a change: live work comes first. */
const delayMs = 2000
/** The pause after each chunk of the index, which limits the work to about a quarter of a processor. */
const restMs = 10

/** Extends the index of a log's paths in the background while the log grows. */
export class Indexing {
  readonly #view: LogView
  readonly #stop = new AbortController()
  readonly #unsubscribe: () => void
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined

  /** @param source.onChange calls its listener whenever the log may have grown */
  constructor({ view, onChange }: { readonly view: LogView; readonly onChange: (listener: () => void) => () => void }) {
    this.#view = view
    this.#unsubscribe = onChange(() => this.#schedule())
    this.#schedule()
  }

  /** Ends the work; the chunks that are done are kept. */
  async close(): Promise<void> {
    this.#unsubscribe()
    clearTimeout(this.#timer)
    this.#stop.abort()
    await this.#running
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#stop.signal.aborted) return
    this.#timer = setTimeout(() => {
      this.#running = this.#run().finally(() => {
        this.#timer = undefined
      })
    }, delayMs).unref()
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    // Without an index queries take longer, and a damaged log fails them with an error of its own.
    await this.#view.keepIndex(() => sleep(restMs, undefined, { signal }), signal).catch(() => {})
  }
}
