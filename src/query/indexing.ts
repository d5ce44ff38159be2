import { setTimeout as sleep } from 'node:timers/promises'
import type { LogView } from '../log/log-view.ts'

/** After a change, and before the next look: what happens now comes first. */
const calmMs = 2000
/** After each chunk, so that it takes a quarter of a processor. */
const restMs = 10

/** Keeps the index of a log's paths up with it, at leisure, while somebody is at work on it. */
export class Indexing {
  readonly #view: LogView
  readonly #stop = new AbortController()
  readonly #unsubscribe: () => void
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined

  /** @param source.onChange calls whenever the log may have grown */
  constructor({ view, onChange }: { readonly view: LogView; readonly onChange: (listener: () => void) => () => void }) {
    this.#view = view
    this.#unsubscribe = onChange(() => this.#schedule())
    this.#schedule()
  }

  /** Ends it; what was done until then isn't lost. */
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
    }, calmMs).unref()
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    // Without it a question takes longer, and tells what is wrong.
    await this.#view.keepIndex(() => sleep(restMs, undefined, { signal }), signal).catch(() => {})
  }
}
