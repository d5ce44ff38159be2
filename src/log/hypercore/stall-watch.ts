import type Hypercore from 'hypercore'
import type { Peer } from 'hypercore'
import { BoundedMap } from '../../bounded-map.ts'
import { isSilence } from '../../silence.ts'

/** A peer that was asked and says nothing for so long is let go, so that others are asked. */
const silentMsMax = 5000
/** A peer that sends, but answers nothing: it may be on a slow line, behind a large block. */
const answerlessMsMax = 120_000
const tickMs = 1000
/** It comes back, and is let go at once for so long, each time longer. */
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
 * Lets go of peers that take requests and answer none. Hypercore asks a second and a third peer for a
 * block, but no more, and only one for what makes a log longer; it never gives a request up.
 */
export class StallWatch {
  readonly #waiting = new WeakMap<Peer, Waiting>()
  readonly #shunned = new BoundedMap<string, { readonly untilMs: number; readonly nextMs: number }>(peersMax)
  readonly #cores = new Set<Hypercore>()
  readonly #timer: NodeJS.Timeout

  constructor() {
    this.#timer = setInterval(() => this.#look(), tickMs)
    this.#timer.unref()
  }

  add(core: Hypercore): void {
    this.#cores.add(core)
    core.on('peer-add', (peer: Peer) => this.#greet(core, peer))
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const nowMs = performance.now()
    for (const core of this.#cores) {
      for (const peer of [...core.peers]) {
        forgive(core, peer)
        const now = waitingFor(peer, this.#waiting.get(peer), nowMs)
        this.#waiting.set(peer, now)
        const isStalled = nowMs - now.receivedMs >= silentMsMax || nowMs - now.answeredMs >= answerlessMsMax
        // Alone it keeps nobody else from answering.
        if (isStalled && core.peers.length > 1) this.#shun(peer, nowMs)
      }
    }
  }

  #shun(peer: Peer, nowMs: number): void {
    const key = peer.remotePublicKey.toString('hex')
    const ms = this.#shunned.get(key)?.nextMs ?? shunMsMin
    this.#shunned.renew(key, { untilMs: nowMs + ms, nextMs: Math.min(2 * ms, shunMsMax) })
    peer.stream.destroy()
  }

  #greet(core: Hypercore, peer: Peer): void {
    const untilMs = this.#shunned.get(peer.remotePublicKey.toString('hex'))?.untilMs ?? 0
    if (performance.now() < untilMs && core.peers.length > 1) peer.stream.destroy()
  }
}

/** Hypercore asks a peer for nothing more, for good, once it hadn't what it was asked for so many times. */
const refusalsMax = 32

/** Files change while they are fetched: that a peer doesn't have of a version what it said is no fault of its own. */
function forgive(core: Hypercore, peer: Peer): void {
  const isPaused = peer.stats.notAvailableBackoffs >= refusalsMax
  peer.stats.notAvailableBackoffs = 0
  if (!isPaused) return
  peer.paused = false
  core.replicator.updatePeer(peer)
}

function waitingFor({ inflight, stats, stream }: Peer, before: Waiting | undefined, nowMs: number): Waiting {
  const [answers, received] = [stats.wireData.rx, stream.rawStream.bytesReceived ?? 0]
  if (before === undefined || inflight === 0 || answers !== before.answers) {
    return { answers, answeredMs: nowMs, received, receivedMs: nowMs }
  }
  return isSilence(received - before.received) ? before : { ...before, received, receivedMs: nowMs }
}
