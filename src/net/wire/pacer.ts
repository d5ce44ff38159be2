import { type Bucket, Tap } from './bucket.ts'

/** The destination of paced bytes. `write` returns false when the caller should wait for a drain. */
export interface Sink {
  write(bytes: Buffer): boolean
}

/** Passes messages on to a sink in slices, at the rate of a bucket. Copies nothing. */
export class Pacer {
  readonly #bucket: Bucket
  readonly #sink: Sink
  readonly #onIdle: () => void
  readonly #tap: Tap
  #queue: Buffer[] = []
  /** Whether the sink must drain first. */
  #blocked = false
  #stopped = false

  /** @param onIdle called whenever everything was passed on and more may be written */
  constructor(bucket: Bucket, sink: Sink, onIdle: () => void) {
    this.#bucket = bucket
    this.#sink = sink
    this.#onIdle = onIdle
    this.#tap = new Tap(bucket, () => this.#resume())
  }

  get waiting(): boolean {
    return this.#queue.length > 0
  }

  /** @returns false when the caller should wait for `onIdle` */
  write(bytes: Buffer): boolean {
    if (this.#stopped) return false
    if (!this.waiting && !this.#bucket.limited) return this.#sink.write(bytes)
    this.#queue.push(bytes)
    this.#advance()
    return !this.waiting && !this.#blocked
  }

  /** Must be called whenever the sink has drained. */
  drained(): void {
    this.#blocked = false
    this.#resume()
  }

  /** Drops the queue and accepts nothing more. */
  stop(): void {
    this.#stopped = true
    this.#tap.stop()
    this.#queue = []
  }

  #resume(): void {
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
