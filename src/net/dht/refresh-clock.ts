/**
 * After a start and any change of the network the DHT is asked again so soon, as those who ask at the same time don't
 * hear of each other, and so often while it doesn't answer. Hyperswarm alone would wait for ten minutes.
 */
const soonRefreshMs = 2000
/**
 * And then so often: while there is no peer, or one was lost, and for ever in a private DHT. One that was started
 * again has forgotten us without anybody noticing, and others would look for us in vain.
 */
const usualRefreshMs = 10_000
/** A peer that was lost is looked for in the DHT for so long. */
const searchMs = 120_000

export interface RefreshSituation {
  readonly isOnline: boolean
  /** Whether any peer is connected. */
  readonly isConnected: boolean
  /** Whether the DHT is not the public one. */
  readonly isPrivate: boolean
}

/** When the DHT is to be asked again. Times are of a clock that never goes back, in milliseconds. */
export class RefreshClock {
  #askedMs: number
  #lostMs = Number.NEGATIVE_INFINITY
  /** Whether it is to be asked again soon. */
  #isNews = true
  #wasOnline = false

  /** It is asked now, for the first time. */
  constructor(nowMs: number) {
    this.#askedMs = nowMs
  }

  /** The network has changed, and the DHT is asked now. */
  changed(nowMs: number): void {
    this.#isNews = true
    this.#askedMs = nowMs
  }

  /** A peer was lost. */
  lost(nowMs: number): void {
    this.#lostMs = nowMs
  }

  /** @returns whether it is to be asked now; that it is asked then is taken for granted */
  isDue(nowMs: number, situation: RefreshSituation): boolean {
    // It answers, and perhaps others who waited for it ask it at the same time.
    if (situation.isOnline && !this.#wasOnline) this.changed(nowMs)
    this.#wasOnline = situation.isOnline
    if (nowMs - this.#askedMs < this.#pauseMs(nowMs, situation)) return false
    this.#isNews = false
    this.#askedMs = nowMs
    return true
  }

  #pauseMs(nowMs: number, { isOnline, isConnected, isPrivate }: RefreshSituation): number {
    if (this.#isNews) return soonRefreshMs
    const isSearching = !isConnected || nowMs - this.#lostMs < searchMs
    if (isSearching && !isOnline) return soonRefreshMs
    return isSearching || isPrivate ? usualRefreshMs : Number.POSITIVE_INFINITY
  }
}
