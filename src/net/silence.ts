import { Lateness, patienceMs, type TimeLimit } from '../lateness.ts'

/** Each end sends at least one message per interval, in milliseconds. */
export const keepAliveMs = 1500
/** A pulled cable is noticed after the minimum; a peer that has been late gets more time, up to the maximum. */
const limit: TimeLimit = { minMs: 5000, maxMs: 45_000 }

/** Tells a dead peer from a busy one by how late it has been before. All times are attended times. */
export class Silence {
  #lateness: Lateness
  #heardMs: number

  constructor(nowMs: number, lateness = new Lateness()) {
    this.#heardMs = nowMs
    this.#lateness = lateness
  }

  /** Records that something arrived. */
  heard(nowMs: number): void {
    this.#lateness.note(nowMs - this.#heardMs - keepAliveMs, nowMs)
    this.#heardMs = nowMs
  }

  /** Records that an answer took `rttMs`. */
  answered(rttMs: number, nowMs: number): void {
    this.#lateness.note(rttMs, nowMs)
  }

  /** Continues with the lateness of the peer over all its connections. */
  share(lateness: Lateness, nowMs: number): void {
    lateness.note(this.#lateness.at(nowMs), nowMs)
    this.#lateness = lateness
  }

  /** How late the peer has been lately, in milliseconds. */
  lateMs(nowMs: number): number {
    return this.#lateness.at(nowMs)
  }

  /** Whether to treat the peer as dead. @param ownLateMs lateness of this process: the peer may share its machine */
  isOver(nowMs: number, ownLateMs: number): boolean {
    return nowMs - this.#heardMs >= patienceMs(limit, Math.max(ownLateMs, this.lateMs(this.#heardMs)))
  }
}
