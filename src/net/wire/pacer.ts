import { type Bucket, Tap } from './bucket.ts'

/** Where paced bytes go. `write` is false when it wants no more until it has drained. */
export interface Sink {
  write(bytes: Buffer): boolean
}

/** Hands messages on to a stream in slices, as the bucket lets them go. It copies nothing. */
export class Pacer {
  readonly #bucket: Bucket
  readonly #sink: Sink
  readonly #onIdle: () => void
  readonly #tap: Tap
  #queue: Buffer[] = []
  /** The sink wants no more. */
  #blocked = false
  #stopped = false

  /** @param onIdle called whenever all that was written has gone, and more may come */
  constructor(bucket: Bucket, sink: Sink, onIdle: () => void) {
    this.#bucket = bucket
    this.#sink = sink
    this.#onIdle = onIdle
    this.#tap = new Tap(bucket, () => this.#goOn())
  }

  get waiting(): boolean {
    return this.#queue.length > 0
  }

  /** @returns false when nothing more should come until all of this has gone */
  write(bytes: Buffer): boolean {
    if (this.#stopped) return false
    if (!this.waiting && !this.#bucket.limited) return this.#sink.write(bytes)
    this.#queue.push(bytes)
    this.#advance()
    return !this.waiting && !this.#blocked
  }

  /** To be called whenever the sink has drained. */
  drained(): void {
    this.#blocked = false
    this.#goOn()
  }

  /** Forgets what waits. */
  stop(): void {
    this.#stopped = true
    this.#tap.stop()
    this.#queue = []
  }

  #goOn(): void {
    this.#advance()
    if (!this.waiting && !this.#blocked) this.#onIdle()
  }

  #advance(): void {
    while (!this.#tap.waiting && !this.#blocked) {
      const [message] = this.#queue
      if (message === undefined) return
      const bytes = Math.min(message.length, this.#tap.room)
      if (bytes < message.length) this.#queue[0] = message.subarray(bytes)
      else this.#queue.shift()
      this.#blocked = !this.#sink.write(message.subarray(0, bytes))
      this.#tap.flowed(bytes)
    }
  }
}
