/** What a bucket knows of time. */
export interface Clock {
  /** Milliseconds since any moment; never goes back. */
  now(): number
  /** Calls `act` after at least so many whole milliseconds, unless the function that it returns is called before. */
  after(ms: number, act: () => void): () => void
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, act) {
    const timer = setTimeout(act, ms)
    return () => clearTimeout(timer)
  }
}

/** The burst is what flows in this time: as long as a timer may be late on a loaded machine. */
const burstMs = 100
const burstBytesMin = 16 * 1024
const turnBytesMax = 16 * 1024
const turnBytesMin = 64
/** Everybody who waits should have a turn this often, as the other end takes silence for death. */
const roundMs = 1000
/** A turn is no more than flows in this time, also when nobody else waits. */
const turnMs = 250
const timerMsMax = 2 ** 31 - 1

/**
 * A token bucket that any number of streams share: who finds it empty waits, and has his turn in the order of coming.
 * It may be overdrawn by a single take, however large; what follows waits until that is paid.
 */
export class Bucket {
  readonly #clock: Clock
  #rate: number
  /** What may flow at once; below zero is debt. */
  #balance: number
  /** When the balance was that. */
  #atMs: number
  /** Who waits, and for how much, the first one first. */
  readonly #waiting = new Map<() => void, number>()
  #cancelTimer: (() => void) | undefined

  /** @param rate in bytes per second; `Infinity` for no limit */
  constructor(rate = Number.POSITIVE_INFINITY, clock: Clock = systemClock) {
    this.#clock = clock
    this.#rate = checked(rate)
    this.#atMs = clock.now()
    this.#balance = this.#burst
  }

  /** In bytes per second. */
  get rate(): number {
    return this.#rate
  }

  /** Holds from now on, also for those who wait. A bucket whose limit was lifted forgets its debt. */
  set rate(rate: number) {
    const wasLimited = this.limited
    this.#refill()
    this.#rate = checked(rate)
    this.#balance = wasLimited && this.limited ? Math.min(this.#balance, this.#burst) : this.#burst
    this.#serve()
  }

  get limited(): boolean {
    return this.#rate !== Number.POSITIVE_INFINITY
  }

  /** How much one should take at a time, so that all who wait have their turns often enough. */
  get turnBytes(): number {
    if (!this.limited) return Number.POSITIVE_INFINITY
    const ms = Math.min(turnMs, roundMs / (this.#waiting.size + 1))
    return Math.min(turnBytesMax, Math.max(turnBytesMin, Math.floor((this.#rate * ms) / 1000)))
  }

  /**
   * Takes `bytes` out.
   *
   * @param go called when they may flow, if not yet; it stands for the one who waits, who can wait for one take only
   * @returns true if they may flow now, and `go` won't be called
   */
  take(bytes: number, go: () => void): boolean {
    if (!this.limited) return true
    this.#refill()
    if (this.#waiting.size === 0 && this.#balance >= 0) {
      this.#balance -= bytes
      return true
    }
    this.#waiting.set(go, bytes)
    this.#schedule()
    return false
  }

  /** Gives up waiting, if one does. Nothing is taken out. */
  cancel(go: () => void): void {
    if (this.#waiting.delete(go) && this.#waiting.size === 0) this.#unschedule()
  }

  get #burst(): number {
    return Math.max(burstBytesMin, (this.#rate * burstMs) / 1000)
  }

  #refill(): void {
    const nowMs = this.#clock.now()
    const earned = (this.#rate * (nowMs - this.#atMs)) / 1000
    this.#atMs = nowMs
    if (this.limited) this.#balance = Math.min(this.#burst, this.#balance + earned)
  }

  /** Lets go whose turn it is. */
  #serve(): void {
    this.#refill()
    for (const [go, bytes] of this.#waiting) {
      if (this.limited && this.#balance < 0) break
      this.#waiting.delete(go)
      this.#balance -= this.limited ? bytes : 0
      go()
    }
    this.#unschedule()
    if (this.#waiting.size > 0) this.#schedule()
  }

  #schedule(): void {
    if (this.#cancelTimer !== undefined) return
    // Node cuts off the fraction of a delay, and may be early by what its clock rounds off.
    const ms = Math.ceil((-this.#balance / this.#rate) * 1000) + 1
    this.#cancelTimer = this.#clock.after(Math.min(ms, timerMsMax), () => this.#serve())
  }

  #unschedule(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
  }
}

/** What one stream takes out of a bucket: turn by turn, whatever the size of its messages, so that it gets its share. */
export class Tap {
  readonly #bucket: Bucket
  readonly #go: () => void
  #unpaid = 0
  #waiting = false

  /** @param go called when more may flow, after it might not */
  constructor(bucket: Bucket, go: () => void) {
    this.#bucket = bucket
    this.#go = () => {
      this.#waiting = false
      go()
    }
  }

  /** Nothing more may flow for now. */
  get waiting(): boolean {
    return this.#waiting
  }

  /** How much may flow at most before it is paid for. */
  get room(): number {
    return Math.max(1, this.#bucket.turnBytes - this.#unpaid)
  }

  /** Pays for what has flowed. */
  flowed(bytes: number): void {
    this.#unpaid = this.#bucket.limited ? this.#unpaid + bytes : 0
    if (this.#unpaid === 0 || this.#waiting || this.#unpaid < this.#bucket.turnBytes) return
    const due = this.#unpaid
    this.#unpaid = 0
    this.#waiting = !this.#bucket.take(due, this.#go)
  }

  /** Waits no longer. */
  stop(): void {
    this.#bucket.cancel(this.#go)
  }
}

function checked(rate: number): number {
  if (!(rate > 0)) throw new RangeError(`A rate of ${rate} bytes per second`)
  return rate
}
