import { BoundedMap } from '../bounded-map.ts'
import type { PeerStatus } from '../net/status.ts'
import type { Monitor, SyncEvent } from './monitor.ts'

type EventOf<T extends SyncEvent['type']> = Extract<SyncEvent, { type: T }>

/** What a folder at work is doing. */
export type FolderState = 'starting' | 'looking' | 'working' | 'done' | 'waiting' | 'paused'

/** Conflicts, and diverged paths, that are remembered; the oldest are forgotten. */
const rememberedMax = 1000
/** Traffic is reported for samples of this length: the first report of a new peer covers only a part of one. */
const sampleMs = 5000
/** A rate is out of date after this time. */
const rateMs = 7000

/** Bytes per second. */
export interface Rates {
  readonly receiveRate: number
  readonly sendRate: number
}

/** Remembers the latest events of a folder, for its status. */
export class FolderActivity {
  state: FolderState = 'starting'
  /** When the latest version that was published or applied became durable, in milliseconds since 1970. */
  durableMs: number | undefined
  progress: EventOf<'progress'> | undefined
  /** The error that keeps it from going on. */
  error: EventOf<'error'> | undefined
  readonly diverged = new BoundedMap<string, EventOf<'diverged'>>(rememberedMax)
  readonly conflicts = new BoundedMap<string, EventOf<'conflict'> & { readonly timeMs: number }>(rememberedMax)
  readonly #peers = new Map<string, { connectedMs: number; rates?: Rates & { readonly atMs: number } }>()

  readonly #now: () => number

  /** @param now a monotonic clock, in milliseconds */
  constructor(monitor: Monitor, now = () => performance.now()) {
    this.#now = now
    monitor.subscribe((event) => this.#note(event))
  }

  /** Whether everything known is published or applied. */
  get isDone(): boolean {
    return this.state === 'done'
  }

  /**
   * The rates of a peer over the last few seconds.
   *
   * @param peer.key its public key
   * @param peer.received bytes since it connected, which give the rates before the first sample is complete
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
    const isWholeSample = nowMs - known.connectedMs >= sampleMs
    if (state === 'disconnected') this.#peers.delete(peer)
    else if (state === 'traffic' && isWholeSample)
      this.#peers.set(peer, { ...known, rates: { receiveRate, sendRate, atMs: nowMs } })
    else if (state === 'connected') this.#peers.set(peer, { connectedMs: nowMs })
  }
}
