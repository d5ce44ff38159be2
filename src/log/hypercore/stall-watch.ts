import type Hypercore from 'hypercore'
import type { PeerInternals } from 'hypercore'
import { attendedClock } from '../../attended-clock.ts'
import { BoundedMap } from '../../bounded-map.ts'
import { isSilence } from '../../keep-alive-bytes.ts'
import { Lateness, patienceMs, type TimeLimit } from '../../lateness.ts'
import { internalsOf, onPeer } from './internals.ts'

/** A peer that has requests and sends nothing for this long is disconnected, so that others are asked; later if it was late before. */
const silenceLimit: TimeLimit = { minMs: 5000, maxMs: 60_000 }
/** The same of a peer that sends but answers nothing: it may be on a slow line, behind a large block. */
const answerlessMsMax = 120_000
const tickMs = 1000
/** A peer sends a keep-alive more often than this. */
const aliveMs = 2000
/** A peer that was disconnected and comes back gets no requests for this long, doubled each time. */
const shunMsMin = 60_000
const shunMsMax = 3_600_000
/** Peers remembered. */
const peersMax = 1000

/** Counters of a peer, and when each last changed, by the attended clock. */
interface Waiting {
  readonly answers: number
  readonly answeredMs: number
  readonly received: number
  readonly receivedMs: number
  readonly bytes: number
  readonly aliveMs: number
}

/**
 * Disconnects peers that take requests and answer none. Hypercore asks a second and a third peer for a block, but no
 * more, and only one for the proof of a longer log; it never gives a request up.
 */
export class StallWatch {
  readonly #waiting = new WeakMap<PeerInternals, Waiting>()
  readonly #shunned = new BoundedMap<string, { readonly untilMs: number; readonly nextMs: number }>(peersMax)
  /** How late each peer has been, by its public key in hexadecimal. */
  readonly #lateness = new BoundedMap<string, Lateness>(peersMax)
  /** Peers that this watch has paused. */
  readonly #paused = new WeakSet<PeerInternals>()
  readonly #cores = new Set<Hypercore>()
  readonly #timer: NodeJS.Timeout

  constructor() {
    this.#timer = setInterval(() => this.#checkPeers(), tickMs)
    this.#timer.unref()
  }

  add(core: Hypercore): void {
    this.#cores.add(core)
    onPeer(core, (peer) => this.#pauseShunned(core, peer, attendedClock.now()))
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #checkPeers(): void {
    const nowMs = attendedClock.now()
    for (const core of this.#cores) {
      for (const peer of [...internalsOf(core).peers]) {
        resume(core, peer)
        this.#pauseShunned(core, peer, nowMs)
        const lateness = this.#latenessOf(peer)
        const now = waitingFor(peer, this.#waiting.get(peer), nowMs, lateness)
        this.#waiting.set(peer, now)
        // The peer may share our machine, and be as late as we are.
        const silentMs = patienceMs(silenceLimit, Math.max(lateness.at(now.receivedMs), attendedClock.lateMs))
        const isStalled = nowMs - now.receivedMs >= silentMs || nowMs - now.answeredMs >= answerlessMsMax
        // Without other peers there is nobody else to ask.
        if (isStalled && core.peers.length > 1) this.#shun(peer, nowMs)
      }
    }
  }

  #latenessOf({ remotePublicKey }: PeerInternals): Lateness {
    const key = remotePublicKey.toString('hex')
    const lateness = this.#lateness.get(key) ?? new Lateness()
    this.#lateness.renew(key, lateness)
    return lateness
  }

  #shun(peer: PeerInternals, nowMs: number): void {
    const key = peer.remotePublicKey.toString('hex')
    const ms = this.#shunned.get(key)?.nextMs ?? shunMsMin
    this.#shunned.renew(key, { untilMs: nowMs + ms, nextMs: Math.min(2 * ms, shunMsMax) })
    peer.stream.destroy()
  }

  /** A shunned peer that comes back stays connected, without requests until its time is over or no other peer is there. */
  #pauseShunned(core: Hypercore, peer: PeerInternals, nowMs: number): void {
    const untilMs = this.#shunned.get(peer.remotePublicKey.toString('hex'))?.untilMs ?? 0
    if (nowMs < untilMs && core.peers.length > 1) {
      if (!peer.paused) this.#paused.add(peer)
      peer.paused = true
    } else if (this.#paused.delete(peer)) {
      peer.paused = false
      internalsOf(core).replicator.updatePeer(peer)
    }
  }
}

/** Hypercore stops asking a peer for good after this many refused requests. */
const refusalsMax = 32

/**
 * Resumes a peer that refused too often: files of the peer change while they are fetched, so that it lacks blocks of
 * the version that it announced.
 */
function resume(core: Hypercore, peer: PeerInternals): void {
  const isPaused = peer.stats.notAvailableBackoffs >= refusalsMax
  peer.stats.notAvailableBackoffs = 0
  if (!isPaused) return
  peer.paused = false
  internalsOf(core).replicator.updatePeer(peer)
}

function waitingFor(
  { inflight, stats, stream }: PeerInternals,
  before: Waiting | undefined,
  nowMs: number,
  lateness: Lateness
): Waiting {
  const [answers, bytes] = [stats.wireData.rx, stream.rawStream.bytesReceived ?? 0]
  const fresh = { answers, answeredMs: nowMs, received: bytes, receivedMs: nowMs, bytes, aliveMs: nowMs }
  if (before === undefined) return fresh
  if (bytes !== before.bytes) lateness.note(nowMs - before.aliveMs - aliveMs, nowMs)
  const isAnswer = answers !== before.answers
  const hasReceived = isAnswer || !isSilence(bytes - before.received)
  if (hasReceived) lateness.note(nowMs - before.receivedMs - tickMs, nowMs)
  if (isAnswer || inflight === 0) return { ...fresh, aliveMs: bytes === before.bytes ? before.aliveMs : nowMs }
  const now = bytes === before.bytes ? before : { ...before, bytes, aliveMs: nowMs }
  return hasReceived ? { ...now, received: bytes, receivedMs: nowMs } : now
}
