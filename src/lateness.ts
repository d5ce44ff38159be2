/** The weight of an observed lateness halves in this time: a machine that was busy is likely to be busy again. */
const halfLifeMs = 60_000
/** The next delay may be this many times the worst recent one. */
const factor = 3

/** The worst recent lateness, in milliseconds, of this process's timers or of a peer's messages. */
export class Lateness {
  #worstMs = 0
  #atMs = 0

  /** Records a delay. @param nowMs of a monotonic clock */
  note(lateMs: number, nowMs: number): void {
    const worstMs = this.at(nowMs)
    if (lateMs < worstMs) return
    this.#worstMs = Math.max(0, lateMs)
    this.#atMs = nowMs
  }

  /** The worst recent lateness in milliseconds, decayed to `nowMs`. */
  at(nowMs: number): number {
    return this.#worstMs * 2 ** ((this.#atMs - nowMs) / halfLifeMs)
  }
}

/** A time limit in milliseconds: the minimum when nothing was late recently, and the maximum. */
export interface TimeLimit {
  readonly minMs: number
  readonly maxMs: number
}

/** How long to wait, in milliseconds, for a party whose recent lateness is `lateMs`. */
export function patienceMs({ minMs, maxMs }: TimeLimit, lateMs: number): number {
  return Math.min(minMs + factor * lateMs, maxMs)
}
