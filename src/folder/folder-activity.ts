import { BoundedMap } from '../bounded-map.ts'
import type { PeerStatus } from '../net/status.ts'
import type { Monitor, SyncEvent } from './monitor.ts'

type EventOf<T extends SyncEvent['type']> = Extract<SyncEvent, { type: T }>

/** What a folder at work is about. */
export type FolderState = 'starting' | 'looking' | 'working' | 'done' | 'waiting' | 'paused'

/** Of each kind; the oldest are forgotten. */
const keptMax = 1000
/** Traffic is told every five seconds, of these: what is told of a part of them is no rate. */
const sampleMs = 5000
/** What is told of it is over after this time. */
const rateMs = 7000

/** Bytes per second. */
export interface Rates {
  readonly receiveRate: number
  readonly sendRate: number
}

/** Keeps what happened last in a folder, for whoever asks how it stands. */
export class FolderActivity {
  state: FolderState = 'starting'
  /** When the last version that was published or applied was on disk for good, in milliseconds since 1970. */
  durableMs: number | undefined
  progress: EventOf<'progress'> | undefined
  /** What keeps it from going on. */
  error: EventOf<'error'> | undefined
  readonly diverged = new BoundedMap<string, EventOf<'diverged'>>(keptMax)
  readonly conflicts = new BoundedMap<string, EventOf<'conflict'> & { readonly timeMs: number }>(keptMax)
  readonly #peers = new Map<string, { connectedMs: number; rates?: Rates & { readonly atMs: number } }>()

  readonly #now: () => number

  /** @param now a clock that never goes back, in milliseconds */
  constructor(monitor: Monitor, now = () => performance.now()) {
    this.#now = now
    monitor.subscribe((event) => this.#note(event))
  }

  /** Whether all that is known of is done. */
  get isDone(): boolean {
    return this.state === 'done'
  }

  /**
   * What comes from a peer and goes to it.
   *
   * @param peer.key its public key
   * @param peer.received bytes since it was connected, which tell the rates of a first few seconds
   */
  ratesOf({ key, received, sent }: Pick<PeerStatus, 'key' | 'received' | 'sent'>): Rates {
    const { connectedMs = Number.NEGATIVE_INFINITY, rates } = this.#peers.get(key) ?? {}
    const nowMs = this.#now()
    if (rates !== undefined && nowMs - rates.atMs <= rateMs) return rates
    if (rates !== undefined || nowMs - connectedMs > sampleMs + rateMs) return { receiveRate: 0, sendRate: 0 }
    const perSecond = (bytes: number) => Math.round((bytes * 1000) / Math.max(1000, nowMs - connectedMs))
    return { receiveRate: perSecond(received), sendRate: perSecond(sent) }
  }

  #note(event: SyncEvent): void {
    if (event.type === 'peer') this.#notePeer(event)
    else if (event.type === 'diverged') this.diverged.renew(event.path, event)
    else if (event.type === 'conflict') this.conflicts.renew(event.keptAs, { ...event, timeMs: Date.now() })
    else this.#noteState(event)
  }

  #noteState(event: SyncEvent): void {
    switch (event.type) {
      case 'ready':
        this.state = 'looking'
        break
      case 'progress':
        this.progress = event
        if (this.state !== 'paused') this.state = 'working'
        break
      case 'published':
      case 'applied':
        this.durableMs = Date.now()
        this.state = 'working'
        break
      case 'up-to-date':
      case 'in-sync':
        this.state = 'done'
        this.progress = undefined
        this.error = undefined
        break
      case 'error':
        this.state = 'waiting'
        this.error = event
        break
      case 'paused':
        this.state = event.paused ? 'paused' : 'looking'
        break
      default:
        break
    }
  }

  #notePeer({ state, peer, receiveRate, sendRate }: EventOf<'peer'>): void {
    const nowMs = this.#now()
    const known = this.#peers.get(peer) ?? { connectedMs: nowMs }
    const isWhole = nowMs - known.connectedMs >= sampleMs
    if (state === 'disconnected') this.#peers.delete(peer)
    else if (state === 'traffic' && isWhole)
      this.#peers.set(peer, { ...known, rates: { receiveRate, sendRate, atMs: nowMs } })
    else if (state === 'connected') this.#peers.set(peer, { connectedMs: nowMs })
  }
}
