/**
 * The interval after a start or a change of the network, since peers that query the DHT at the same time miss each
 * other; also while the DHT doesn't answer. Hyperswarm alone would wait for ten minutes.
 */
const soonRefreshMs = 2000
/**
 * The interval after that: while no peer is connected, for `searchMs` after a peer was lost, and always in a private
 * DHT, which forgets our announcement when it restarts, without any notice.
 */
const usualRefreshMs = 10_000
/** How long to look for a lost peer in the DHT. */
const searchMs = 120_000

export interface RefreshSituation {
  readonly isOnline: boolean
  /** Whether any peer is connected. */
  readonly isConnected: boolean
  /** Whether the DHT is not the public one. */
  readonly isPrivate: boolean
}

/** Schedules the DHT refreshes. Times are of a monotonic clock, in milliseconds. */
export class RefreshClock {
  #refreshedMs: number
  #lostMs = Number.NEGATIVE_INFINITY
  /** Whether the next refresh is due soon, after a start or a change. */
  #hasChanged = true
  #wasOnline = false

  /** @param nowMs the time of the first query */
  constructor(nowMs: number) {
    this.#refreshedMs = nowMs
  }

  /** Records that the network has changed, and that the caller refreshes now. */
  changed(nowMs: number): void {
    this.#hasChanged = true
    this.#refreshedMs = nowMs
  }

  /** Records that a peer was lost. */
  lost(nowMs: number): void {
    this.#lostMs = nowMs
  }

  /** Whether to refresh now. If so, the caller must do it: it counts as done. */
  isDue(nowMs: number, situation: RefreshSituation): boolean {
    // The DHT just came back, and peers that waited for it may query it at the same time.
    if (situation.isOnline && !this.#wasOnline) this.changed(nowMs)
    this.#wasOnline = situation.isOnline
    if (nowMs - this.#refreshedMs < this.#pauseMs(nowMs, situation)) return false
    this.#hasChanged = false
    this.#refreshedMs = nowMs
    return true
  }

  #pauseMs(nowMs: number, { isOnline, isConnected, isPrivate }: RefreshSituation): number {
    if (this.#hasChanged) return soonRefreshMs
    const isSearching = !isConnected || nowMs - this.#lostMs < searchMs
    if (isSearching && !isOnline) return soonRefreshMs
    return isSearching || isPrivate ? usualRefreshMs : Number.POSITIVE_INFINITY
  }
}
