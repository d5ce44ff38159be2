import type { Bucket } from './bucket.ts'

/** Where paced bytes go. `write` is false when it wants no more until it has drained. */
export interface Sink {
  write(bytes: Buffer): boolean
}

/** Hands messages on to a stream in slices, as the bucket lets them go. It copies nothing. */
export class Pacer {
  readonly #bucket: Bucket
  readonly #sink: Sink
  readonly #onIdle: () => void
  #queue: Buffer[] = []
  /** What is asked of the bucket; 0 if nothing. */
  #asked = 0
  /** The sink wants no more. */
  #blocked = false
  #stopped = false

  /** @param onIdle called whenever all that waited has gone */
  constructor(bucket: Bucket, sink: Sink, onIdle: () => void) {
    this.#bucket = bucket
    this.#sink = sink
    this.#onIdle = onIdle
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

  /** The sink has drained. @returns true when that is also the writer's business, since nothing waits here */
  drained(): boolean {
    this.#blocked = false
    if (!this.waiting) return true
    this.#advance()
    if (!this.waiting && !this.#blocked) this.#onIdle()
    return false
  }

  /** Forgets what waits. */
  stop(): void {
    this.#stopped = true
    this.#bucket.cancel(this.#go)
    this.#queue = []
  }

  readonly #go = (): void => {
    const bytes = this.#asked
    this.#asked = 0
    this.#send(bytes)
    this.#advance()
    if (!this.waiting && !this.#blocked) this.#onIdle()
  }

  #advance(): void {
    while (this.#asked === 0 && !this.#blocked) {
      const [message] = this.#queue
      if (message === undefined) return
      const bytes = Math.min(message.length, this.#bucket.turnBytes)
      if (!this.#bucket.take(bytes, this.#go)) {
        this.#asked = bytes
        return
      }
      this.#send(bytes)
    }
  }

  #send(bytes: number): void {
    const message = this.#queue[0]
    if (message === undefined) return
    if (bytes < message.length) this.#queue[0] = message.subarray(bytes)
    else this.#queue.shift()
    this.#blocked = !this.#sink.write(message.subarray(0, bytes))
  }
}
