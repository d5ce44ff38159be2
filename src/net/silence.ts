import { Lateness, patienceMs, type TimeLimit } from '../lateness.ts'

/** How often each end says something, in milliseconds. */
export const keepAliveMs = 1500
/** A pulled cable is noticed after the least; a peer that has been late gets more, up to the most. */
const limit: TimeLimit = { minMs: 5000, maxMs: 45_000 }

/** Tells a peer that is gone from one that is busy, by how late it has been before. Times are attended ones. */
export class Silence {
  #lateness: Lateness
  #heardMs: number

  constructor(nowMs: number, lateness = new Lateness()) {
    this.#heardMs = nowMs
    this.#lateness = lateness
  }

  /** Something came. */
  heard(nowMs: number): void {
    this.#lateness.note(nowMs - this.#heardMs - keepAliveMs, nowMs)
    this.#heardMs = nowMs
  }

  /** An answer took so long. */
  answered(rttMs: number, nowMs: number): void {
    this.#lateness.note(rttMs, nowMs)
  }

  /** Goes on with what is known of the peer from other connections, too. */
  share(lateness: Lateness, nowMs: number): void {
    lateness.note(this.#lateness.at(nowMs), nowMs)
    this.#lateness = lateness
  }

  /** How late the peer has been lately, in milliseconds. */
  lateMs(nowMs: number): number {
    return this.#lateness.at(nowMs)
  }

  /** Whether the peer is to be taken for gone. @param ownLateMs how late we are ourselves: it may share our machine */
  isOver(nowMs: number, ownLateMs: number): boolean {
    return nowMs - this.#heardMs >= patienceMs(limit, Math.max(ownLateMs, this.lateMs(this.#heardMs)))
  }
}
