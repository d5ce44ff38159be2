import type Hypercore from 'hypercore'
import type { Peer } from 'hypercore'
import { attendedClock } from '../../attended-clock.ts'
import { Lateness, patienceMs, type TimeLimit } from '../../lateness.ts'

/** A peer that was asked and says nothing for so long is let go, so that others are asked; later where it has been late. */
const silenceLimit: TimeLimit = { minMs: 5000, maxMs: 60_000 }
/** A peer that sends, but answers nothing: it may be on a slow line, behind a large block. */
const answerlessMsMax = 120_000
/** What keeps a connection alive, and is no more than that. */
const silenceBytesMax = 4096
const tickMs = 1000
/** A peer keeps its connection alive more often than this. */
const aliveMs = 2000
/** It comes back, and is asked for nothing for so long, each time longer. */
const shunMsMin = 60_000
const shunMsMax = 3_600_000
/** Peers remembered. */
const peersMax = 1000

/** What was seen of a peer, and when it changed, by attended time. */
interface Waiting {
  readonly answers: number
  readonly answeredMs: number
  readonly received: number
  readonly receivedMs: number
  readonly bytes: number
  readonly aliveMs: number
}

/**
 * Lets go of peers that take requests and answer none. Hypercore asks a second and a third peer for a
 * block, but no more, and only one for what makes a log longer; it never gives a request up.
 */
export class StallWatch {
  readonly #waiting = new WeakMap<Peer, Waiting>()
  readonly #shunned = new Map<string, { readonly untilMs: number; readonly nextMs: number }>()
  /** How late each peer has been, by its public key in hexadecimal. */
  readonly #lateness = new Map<string, Lateness>()
  /** Those that are paused by this. */
  readonly #paused = new WeakSet<Peer>()
  readonly #cores = new Set<Hypercore>()
  readonly #timer: NodeJS.Timeout

  constructor() {
    this.#timer = setInterval(() => this.#look(), tickMs)
    this.#timer.unref()
  }

  add(core: Hypercore): void {
    this.#cores.add(core)
    core.on('peer-add', (peer: Peer) => this.#pause(core, peer, attendedClock.now()))
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const nowMs = attendedClock.now()
    for (const core of this.#cores) {
      for (const peer of [...core.peers]) {
        forgive(core, peer)
        this.#pause(core, peer, nowMs)
        const lateness = this.#latenessOf(peer)
        const now = waitingFor(peer, this.#waiting.get(peer), nowMs, lateness)
        this.#waiting.set(peer, now)
        // It may share our machine.
        const silentMs = patienceMs(silenceLimit, Math.max(lateness.at(now.receivedMs), attendedClock.lateMs))
        const isStalled = nowMs - now.receivedMs >= silentMs || nowMs - now.answeredMs >= answerlessMsMax
        // Alone it keeps nobody else from answering.
        if (isStalled && core.peers.length > 1) this.#shun(peer, nowMs)
      }
    }
  }

  #latenessOf({ remotePublicKey }: Peer): Lateness {
    const key = remotePublicKey.toString('hex')
    const lateness = this.#lateness.get(key) ?? new Lateness()
    this.#lateness.delete(key)
    this.#lateness.set(key, lateness)
    const oldest = this.#lateness.keys().next().value
    if (this.#lateness.size > peersMax && oldest !== undefined) this.#lateness.delete(oldest)
    return lateness
  }

  #shun(peer: Peer, nowMs: number): void {
    const key = peer.remotePublicKey.toString('hex')
    const ms = this.#shunned.get(key)?.nextMs ?? shunMsMin
    this.#shunned.delete(key)
    this.#shunned.set(key, { untilMs: nowMs + ms, nextMs: Math.min(2 * ms, shunMsMax) })
    const oldest = this.#shunned.keys().next().value
    if (this.#shunned.size > peersMax && oldest !== undefined) this.#shunned.delete(oldest)
    peer.stream.destroy()
  }

  /** One that was let go stays when it comes back, and is asked for nothing until its time is over or nobody else is there. */
  #pause(core: Hypercore, peer: Peer, nowMs: number): void {
    const untilMs = this.#shunned.get(peer.remotePublicKey.toString('hex'))?.untilMs ?? 0
    if (nowMs < untilMs && core.peers.length > 1) {
      if (!peer.paused) this.#paused.add(peer)
      peer.paused = true
    } else if (this.#paused.delete(peer)) {
      peer.paused = false
      core.replicator.updatePeer(peer)
    }
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

function waitingFor(
  { inflight, stats, stream }: Peer,
  before: Waiting | undefined,
  nowMs: number,
  lateness: Lateness
): Waiting {
  const [answers, bytes] = [stats.wireData.rx, stream.rawStream.bytesReceived ?? 0]
  const fresh = { answers, answeredMs: nowMs, received: bytes, receivedMs: nowMs, bytes, aliveMs: nowMs }
  if (before === undefined) return fresh
  if (bytes !== before.bytes) lateness.note(nowMs - before.aliveMs - aliveMs, nowMs)
  const isAnswer = answers !== before.answers
  const hasReceived = isAnswer || bytes - before.received >= silenceBytesMax
  if (hasReceived) lateness.note(nowMs - before.receivedMs - tickMs, nowMs)
  if (isAnswer || inflight === 0) return { ...fresh, aliveMs: bytes === before.bytes ? before.aliveMs : nowMs }
  const now = bytes === before.bytes ? before : { ...before, bytes, aliveMs: nowMs }
  return hasReceived ? { ...now, received: bytes, receivedMs: nowMs } : now
}
