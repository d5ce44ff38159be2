import type Hypercore from 'hypercore'
import type { BlockRequest, PeerInternals } from 'hypercore'
import { internalsOf, onPeer } from './internals.ts'

/** A peer that answers within this time is asked for more blocks at once; one that takes twice as long, for fewer. */
const answerMsTarget = 500
/**
 * The target is at least this multiple of the quickest answer of a peer: a peer that is far away or slow gets more
 * requests all the same.
 */
const answersTarget = 2
/** One block on its way, and the next one requested. */
const windowMin = 2
const windowMax = 64
/** A second peer is asked for a block only if that may save this time, and this multiple of its usual answer time. */
const savingMsMin = 200
const savingMin = 2
/** Assumed answer time of a peer that has answered nothing yet. */
const unknownMs = 500
/** Weight of the newest answer in the average. */
const newestWeight = 0.25
/** How often idle peers are offered the requests of others. */
const tickMs = 200

/** The answer times of a peer. */
interface Pace {
  /** Moving average. */
  answerMs: number | undefined
  /** The quickest answer. */
  quickestMs: number
  /** Blocks requested at once. */
  window: number
}

/**
 * Distributes requests among the peers of a core by their answer times. Hypercore gives each new request to any peer,
 * up to hundreds of them, so that slow peers hold up what fast ones wait for; and it makes an idle peer send what
 * others are about to send, so that each of three peers sends nearly everything.
 */
export class RequestScheduler {
  readonly #paces = new WeakMap<PeerInternals, Pace>()
  readonly #cores = new Set<Hypercore>()
  readonly #timer: NodeJS.Timeout

  constructor() {
    this.#timer = setInterval(() => this.#offerRequests(), tickMs)
    this.#timer.unref()
  }

  /** @param narrow whether blocks are large, so that each peer gets few requests at once; else Hypercore decides how many */
  add(core: Hypercore, { narrow }: { readonly narrow: boolean }): void {
    this.#cores.add(core)
    const { hotswaps } = internalsOf(core).replicator
    const pick = hotswaps.pick.bind(hotswaps)
    const isLate = (block: BlockRequest, peer: PeerInternals) => this.#isLate(block, peer)
    hotswaps.pick = function* (peer: PeerInternals) {
      for (const block of pick(peer)) if (isLate(block, peer)) yield block
    }
    onPeer(core, (peer) => {
      const pace = this.#pace(peer)
      if (!narrow) return
      peer.getMaxInflight = () => pace.window
      peer.getMaxHotswapInflight = () => pace.window
    })
    core.on(
      'download',
      (_index: number, _bytes: number, peer: PeerInternals, request: { readonly elapsed: number } | null) => {
        if (request !== null) this.#answered(peer, request.elapsed)
      }
    )
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #pace(peer: PeerInternals): Pace {
    const known = this.#paces.get(peer)
    if (known !== undefined) return known
    const pace = { answerMs: undefined, quickestMs: Number.POSITIVE_INFINITY, window: windowMin }
    this.#paces.set(peer, pace)
    return pace
  }

  #answered(peer: PeerInternals, ms: number): void {
    const pace = this.#pace(peer)
    const before = pace.answerMs ?? ms
    pace.answerMs = before + newestWeight * (ms - before)
    pace.quickestMs = Math.min(pace.quickestMs, ms)
    const targetMs = Math.max(answerMsTarget, answersTarget * pace.quickestMs)
    if (ms < targetMs) pace.window = Math.min(windowMax, pace.window + 1)
    else if (ms > 2 * targetMs) pace.window = Math.max(windowMin, pace.window - 1)
  }

  /** Whether `peer` would send a block, requested of others, so much sooner that asking it too pays off. */
  #isLate({ inflight }: BlockRequest, peer: PeerInternals): boolean {
    const nowMs = Date.now()
    const ownMs = this.#pace(peer).answerMs ?? unknownMs
    return inflight.every(({ peer: other, timestamp }) => {
      const ageMs = nowMs - timestamp
      const usualMs = this.#pace(other).answerMs ?? 0
      // An overdue answer may take as long again.
      const leftMs = Math.abs(usualMs - ageMs)
      return leftMs > Math.max(savingMsMin, savingMin * ownMs)
    })
  }

  /**
   * Hypercore offers requests to peers when something changes: an idle peer sees no change, and a cancelled request,
   * which makes room for waiting ones, is none either.
   */
  #offerRequests(): void {
    for (const core of this.#cores) {
      const { peers, replicator } = internalsOf(core)
      for (const peer of peers) replicator.updatePeer(peer)
    }
  }
}
