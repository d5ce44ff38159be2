/** Lateness that was seen once counts half as much after so long: a machine that was busy is likely to be so again. */
const halfLifeMs = 60_000
/** What was late by this may be late by so many times this the next time. */
const factor = 3

/** The worst lateness of late, in milliseconds: of the timers of this process, or of what a peer has said. */
export class Lateness {
  #worstMs = 0
  #atMs = 0

  /** @param nowMs by a clock that never goes back */
  note(lateMs: number, nowMs: number): void {
    const worstMs = this.at(nowMs)
    if (lateMs < worstMs) return
    this.#worstMs = Math.max(0, lateMs)
    this.#atMs = nowMs
  }

  at(nowMs: number): number {
    return this.#worstMs * 2 ** ((this.#atMs - nowMs) / halfLifeMs)
  }
}

/** How long to wait, in milliseconds, where nobody has been late, and at most. */
export interface TimeLimit {
  readonly minMs: number
  readonly maxMs: number
}

/** How long to wait for one who has lately been late by `lateMs`. */
export function patienceMs({ minMs, maxMs }: TimeLimit, lateMs: number): number {
  return Math.min(minMs + factor * lateMs, maxMs)
}
