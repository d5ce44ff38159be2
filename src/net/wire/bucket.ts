/** A bucket's source of time. */
export interface Clock {
  /** Monotonic time in milliseconds. */
  now(): number
  /** Calls `act` after at least `ms` whole milliseconds. @returns a function that cancels the call */
  after(ms: number, act: () => void): () => void
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, act) {
    const timer = setTimeout(act, ms)
    return () => clearTimeout(timer)
  }
}

/** The burst is the flow of this time, which covers a late timer on a loaded machine. */
const burstMs = 100
const burstBytesMin = 16 * 1024
const turnBytesMax = 16 * 1024
const turnBytesMin = 64
/** Every waiter should get a turn within this time, since peers treat silence as death. */
const roundMs = 1000
/** A turn is at most the flow of this time, also for the only waiter. */
const turnMs = 250
const timerMsMax = 2 ** 31 - 1

/**
 * A token bucket shared by any number of streams. A stream that finds it empty waits, first come, first served. One
 * take of any size may overdraw it; the next waits until the debt is paid.
 */
export class Bucket {
  readonly #clock: Clock
  #rate: number
  /** The bytes that may flow at once; a debt if negative. */
  #balance: number
  /** The time of the balance. */
  #atMs: number
  /** The waiters with the bytes each waits for, first come first. */
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

  /** Takes effect at once, also for waiters. Lifting the limit clears the debt. */
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

  /** The bytes to take at a time, so that every waiter gets a turn within `roundMs`. */
  get turnBytes(): number {
    if (!this.limited) return Number.POSITIVE_INFINITY
    const ms = Math.min(turnMs, roundMs / (this.#waiting.size + 1))
    return Math.min(turnBytesMax, Math.max(turnBytesMin, Math.floor((this.#rate * ms) / 1000)))
  }

  /**
   * Takes `bytes` out.
   *
   * @param go called when the bytes may flow, if not now; identifies the waiter, which can wait for one take only
   * @returns true if they may flow now; then `go` isn't called
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

  /** Cancels a wait, if any, without taking anything. */
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

  /** Calls the waiters whose turn has come. */
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
    // Node truncates delays to whole milliseconds, and may fire early by its clock's rounding.
    const ms = Math.ceil((-this.#balance / this.#rate) * 1000) + 1
    this.#cancelTimer = this.#clock.after(Math.min(ms, timerMsMax), () => this.#serve())
  }

  #unschedule(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
  }
}

/**
 * One stream's access to a bucket. It takes turn by turn, whatever the size of its messages, so that shares are fair.
 */
export class Tap {
  readonly #bucket: Bucket
  readonly #go: () => void
  #unpaid = 0
  #waiting = false

  /** @param go called when more may flow after a wait */
  constructor(bucket: Bucket, go: () => void) {
    this.#bucket = bucket
    this.#go = () => {
      this.#waiting = false
      go()
    }
  }

  /** Whether the flow must pause. */
  get waiting(): boolean {
    return this.#waiting
  }

  /** The most bytes that may flow before the next payment. */
  get room(): number {
    return Math.max(1, this.#bucket.turnBytes - this.#unpaid)
  }

  /** Accounts for `bytes` that have flowed. */
  flowed(bytes: number): void {
    this.#unpaid = this.#bucket.limited ? this.#unpaid + bytes : 0
    if (this.#unpaid === 0 || this.#waiting || this.#unpaid < this.#bucket.turnBytes) return
    const payment = this.#unpaid
    this.#unpaid = 0
    this.#waiting = !this.#bucket.take(payment, this.#go)
  }

  /** Stops waiting. */
  stop(): void {
    this.#bucket.cancel(this.#go)
  }
}

function checked(rate: number): number {
  if (!(rate > 0)) throw new RangeError(`A rate of ${rate} bytes per second`)
  return rate
}
