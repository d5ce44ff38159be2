import type Hypercore from 'hypercore'
import type { PeerInternals } from 'hypercore'
import { internalsOf, onPeer } from './internals.ts'
import { silenceBytesMax } from './peers.ts'

/** A peer that has requests and sends nothing for this long is disconnected, so that others are asked. */
const silentMsMax = 5000
/** The same of a peer that sends but answers nothing: it may be on a slow line, behind a large block. */
const answerlessMsMax = 120_000
const tickMs = 1000
/** A peer that was disconnected and comes back is disconnected at once for this long, doubled each time. */
const shunMsMin = 60_000
const shunMsMax = 3_600_000
/** Peers remembered. */
const peersMax = 1000

interface Waiting {
  readonly answers: number
  readonly answeredMs: number
  readonly received: number
  readonly receivedMs: number
}

/**
 * Disconnects peers that take requests and answer none. Hypercore asks a second and a third peer for a block, but no
 * more, and only one for the proof of a longer log; it never gives a request up.
 */
export class StallWatch {
  readonly #waiting = new WeakMap<PeerInternals, Waiting>()
  readonly #shunned = new Map<string, { readonly untilMs: number; readonly nextMs: number }>()
  readonly #cores = new Set<Hypercore>()
  readonly #timer: NodeJS.Timeout

  constructor() {
    this.#timer = setInterval(() => this.#checkPeers(), tickMs)
    this.#timer.unref()
  }

  add(core: Hypercore): void {
    this.#cores.add(core)
    onPeer(core, (peer) => this.#refuseShunned(core, peer))
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #checkPeers(): void {
    const nowMs = performance.now()
    for (const core of this.#cores) {
      for (const peer of [...internalsOf(core).peers]) {
        resume(core, peer)
        const now = waitingFor(peer, this.#waiting.get(peer), nowMs)
        this.#waiting.set(peer, now)
        const isStalled = nowMs - now.receivedMs >= silentMsMax || nowMs - now.answeredMs >= answerlessMsMax
        // Without other peers there is nobody else to ask.
        if (isStalled && core.peers.length > 1) this.#shun(peer, nowMs)
      }
    }
  }

  #shun(peer: PeerInternals, nowMs: number): void {
    const key = peer.remotePublicKey.toString('hex')
    const ms = this.#shunned.get(key)?.nextMs ?? shunMsMin
    this.#shunned.delete(key)
    this.#shunned.set(key, { untilMs: nowMs + ms, nextMs: Math.min(2 * ms, shunMsMax) })
    const oldest = this.#shunned.keys().next().value
    if (this.#shunned.size > peersMax && oldest !== undefined) this.#shunned.delete(oldest)
    peer.stream.destroy()
  }

  #refuseShunned(core: Hypercore, peer: PeerInternals): void {
    const untilMs = this.#shunned.get(peer.remotePublicKey.toString('hex'))?.untilMs ?? 0
    if (performance.now() < untilMs && core.peers.length > 1) peer.stream.destroy()
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

function waitingFor({ inflight, stats, stream }: PeerInternals, before: Waiting | undefined, nowMs: number): Waiting {
  const [answers, received] = [stats.wireData.rx, stream.rawStream.bytesReceived ?? 0]
  if (before === undefined || inflight === 0 || answers !== before.answers) {
    return { answers, answeredMs: nowMs, received, receivedMs: nowMs }
  }
  return received - before.received >= silenceBytesMax ? { ...before, received, receivedMs: nowMs } : before
}
