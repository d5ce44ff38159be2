import type Hypercore from 'hypercore'
import type { BlockRequest, PeerInternals } from 'hypercore'
import { internalsOf, onPeer } from './internals.ts'

/** A peer that answers in this time is asked for more at once; one that takes twice as long for less. */
const answerMsTarget = 500
/** Of a peer's quickest answer: so long a line, or so slow a one, is asked for more all the same. */
const answersTarget = 2
/** One block on its way, and the next one asked for. */
const windowMin = 2
const windowMax = 64
/** Another peer is asked for a block too only where that may save this time, and twice what its answers take. */
const savingMsMin = 200
const savingMin = 2
/** What an answer is thought to take of a peer that has given none yet. */
const unknownMs = 500
/** How much the last answer counts. */
const newsShare = 0.25
/** So often peers that have nothing to do look at what the others owe. */
const tickMs = 200

/** What a peer has shown so far. */
interface Pace {
  /** How long it takes to answer, of late. */
  answerMs: number | undefined
  /** Its quickest answer. */
  leastMs: number
  /** How many blocks it is asked for at once. */
  window: number
}

/**
 * Shares out requests among the peers of a core by how fast they answer. Hypercore gives each new request to any
 * peer, up to hundreds, so that slow ones hold up what fast ones wait for; and has whoever is idle ask for what the
 * others are about to send, so that of three peers each sends nearly everything.
 */
export class RequestScheduler {
  readonly #paces = new WeakMap<PeerInternals, Pace>()
  readonly #cores = new Set<Hypercore>()
  readonly #timer: NodeJS.Timeout

  constructor() {
    this.#timer = setInterval(() => this.#look(), tickMs)
    this.#timer.unref()
  }

  /** @param narrow whether peers are asked for little at once, as blocks are large; else as Hypercore has it */
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
    const pace = { answerMs: undefined, leastMs: Number.POSITIVE_INFINITY, window: windowMin }
    this.#paces.set(peer, pace)
    return pace
  }

  #answered(peer: PeerInternals, ms: number): void {
    const pace = this.#pace(peer)
    const before = pace.answerMs ?? ms
    pace.answerMs = before + newsShare * (ms - before)
    pace.leastMs = Math.min(pace.leastMs, ms)
    const targetMs = Math.max(answerMsTarget, answersTarget * pace.leastMs)
    if (ms < targetMs) pace.window = Math.min(windowMax, pace.window + 1)
    else if (ms > 2 * targetMs) pace.window = Math.max(windowMin, pace.window - 1)
  }

  /** Whether a block that others were asked for would come so much sooner from `peer`. */
  #isLate({ inflight }: BlockRequest, peer: PeerInternals): boolean {
    const nowMs = Date.now()
    const ownMs = this.#pace(peer).answerMs ?? unknownMs
    return inflight.every(({ peer: other, timestamp }) => {
      const ageMs = nowMs - timestamp
      const usualMs = this.#pace(other).answerMs ?? 0
      // What is overdue may take as long again.
      const leftMs = Math.abs(usualMs - ageMs)
      return leftMs > Math.max(savingMsMin, savingMin * ownMs)
    })
  }

  /**
   * Who has nothing to do hears of nothing that would make Hypercore look again; nor does it look when requests were
   * cancelled, though what waits could be asked for then.
   */
  #look(): void {
    for (const core of this.#cores) {
      const { peers, replicator } = internalsOf(core)
      for (const peer of peers) replicator.updatePeer(peer)
    }
  }
}
