/**
 * The paths to one peer, and which of them carries replication. Pure: events with their times go in, actions come out.
 *
 * Only the end with the larger public key decides, and tells the other end by `carry`: two ends that decide
 * independently could switch past each other for ever. It prefers TCP where TCP is good (a short round trip, or a
 * congestion control that tolerates loss), UDX otherwise, and any path to none. The path that isn't chosen stays as a
 * spare, unless it has carried: replication can't be moved off a stream, so that path is closed.
 */
export type Transport = 'tcp' | 'udx'

export interface Path {
  readonly id: number
  readonly transport: Transport
  readonly dialledBy: 'us' | 'them'
  /** When its handshake ended, and when it came up: on a busy machine seconds can lie between. */
  readonly openedMs: number
  readonly upMs: number
  /** The shortest round trip so far, in milliseconds. */
  readonly rttMs: number
  /** The longest round trip, in milliseconds, up to which TCP is good on this path. */
  readonly nearMs: number
}

export type Act =
  /** Replicate over this path from now on, and tell the other end. */
  { readonly type: 'carry'; readonly id: number } | { readonly type: 'drop'; readonly id: number }

export interface PathsOptions {
  /** Whether this end decides: its public key is the larger one. */
  readonly decides: boolean
  /** Whether a path over this transport may come up soon. */
  readonly mayCome: (transport: Transport) => boolean
}

/**
 * A connection opened within this time after another came up crossed it: both ends dialled at once. A later connection
 * replaces one that the other end has lost.
 */
const crossingMs = 1000
/** Before the first path carries, a better one that may still come up has this long to do so. */
const betterPathWaitMs = 400
/** After a switch the old path stays open this long to deliver data in flight. */
const overlapMs = 300

interface Known extends Path {
  carriesSinceMs: number | undefined
  /** Counts the changes: the highest carries. */
  turn: number
}

export class Paths {
  readonly #decides: boolean
  readonly #mayCome: (transport: Transport) => boolean
  readonly #paths = new Map<number, Known>()
  /** When the first of the present paths came up. */
  #sinceMs = 0
  #turns = 0

  constructor({ decides, mayCome }: PathsOptions) {
    this.#decides = decides
    this.#mayCome = mayCome
  }

  /** The path that carries replication; during a switch, the newer one. */
  get carrier(): Path | undefined {
    return this.#carriers.at(-1)
  }

  get(id: number): Path | undefined {
    return this.#paths.get(id)
  }

  has(transport: Transport): boolean {
    return [...this.#paths.values()].some((path) => path.transport === transport)
  }

  /** Whether a TCP path would carry if there were one. */
  get wouldTakeTcp(): boolean {
    const udx = this.#kept('udx')
    return udx === undefined || udx.rttMs <= udx.nearMs
  }

  /** Records that a path came up. */
  up(path: Path, nowMs: number): readonly Act[] {
    if (this.#paths.size === 0) this.#sinceMs = nowMs
    this.#paths.set(path.id, { ...path, carriesSinceMs: undefined, turn: 0 })
    return this.decide(nowMs)
  }

  /** Records that a path closed. */
  down(id: number, nowMs: number): readonly Act[] {
    this.#paths.delete(id)
    return this.decide(nowMs)
  }

  /** Records the round trip of an answer. */
  measured(id: number, rttMs: number, nowMs: number): readonly Act[] {
    const path = this.#paths.get(id)
    if (path === undefined || rttMs >= path.rttMs) return []
    this.#paths.set(id, { ...path, rttMs })
    return this.decide(nowMs)
  }

  /** Records that the other end, which decides, replicates over a path. */
  carriedByPeer(id: number, nowMs: number): void {
    const path = this.#paths.get(id)
    if (path === undefined || path.carriesSinceMs !== undefined) return
    path.carriesSinceMs = nowMs
    path.turn = ++this.#turns
  }

  /** The actions to take now. */
  decide(nowMs: number): readonly Act[] {
    if (!this.#decides) return []
    const acts: Act[] = []
    const [best, carrier] = [this.#best(), this.#carriers.at(-1)]
    // A replacement carries before the path it replaces closes.
    if (best !== undefined && best !== carrier && (carrier !== undefined || !this.#isWorthWaiting(best, nowMs))) {
      best.turn = ++this.#turns
      // It may still be carrying, when this reverses a recent switch.
      if (best.carriesSinceMs === undefined) acts.push({ type: 'carry', id: best.id })
      best.carriesSinceMs = nowMs
    }
    for (const path of this.#leaving(nowMs)) {
      this.#paths.delete(path.id)
      acts.push({ type: 'drop', id: path.id })
    }
    return acts
  }

  /** When to call `decide` next if nothing else happens; `undefined` for never. */
  get dueMs(): number | undefined {
    if (!this.#decides || this.#paths.size === 0) return undefined
    const carriers = this.#carriers
    if (carriers.length === 0) return this.#sinceMs + betterPathWaitMs
    return carriers.length > 1 ? (carriers.at(-1)?.carriesSinceMs ?? 0) + overlapMs : undefined
  }

  get #carriers(): Known[] {
    return [...this.#paths.values()]
      .filter(({ carriesSinceMs }) => carriesSinceMs !== undefined)
      .sort((a, b) => a.turn - b.turn)
  }

  /** The paths to close: duplicates over one transport, and former carriers after `overlapMs`. */
  #leaving(nowMs: number): readonly Known[] {
    const kept = [this.#kept('tcp'), this.#kept('udx')]
    const sinceMs = this.#carriers.at(-1)?.carriesSinceMs ?? nowMs
    const former = nowMs - sinceMs >= overlapMs ? this.#carriers.slice(0, -1) : []
    const isSurplus = (path: Known) => path.carriesSinceMs === undefined && !kept.includes(path)
    return [...this.#paths.values()].filter((path) => isSurplus(path) || former.includes(path))
  }

  #of(transport: Transport): Known[] {
    return [...this.#paths.values()].filter((path) => path.transport === transport)
  }

  /** The one path to keep of several over one transport. */
  #kept(transport: Transport): Known | undefined {
    return this.#of(transport).reduce<Known | undefined>((kept, path) => {
      if (kept === undefined) return path
      const [older, newer] = kept.upMs <= path.upMs ? [kept, path] : [path, kept]
      // Both ends dialled at once: keep the connection dialled by the end that decides.
      if (newer.openedMs - older.upMs < crossingMs && older.dialledBy !== newer.dialledBy) {
        return older.dialledBy === 'us' ? older : newer
      }
      return newer
    }, undefined)
  }

  #best(): Known | undefined {
    const [tcp, udx] = [this.#kept('tcp'), this.#kept('udx')]
    if (tcp === undefined || udx === undefined) return tcp ?? udx
    return isGoodTcp(tcp) ? tcp : udx
  }

  #isWorthWaiting(best: Known, nowMs: number): boolean {
    if (nowMs - this.#sinceMs >= betterPathWaitMs) return false
    const other = best.transport === 'tcp' ? 'udx' : 'tcp'
    return !this.has(other) && this.#mayCome(other) && !isGoodTcp(best)
  }
}

function isGoodTcp({ transport, rttMs, nearMs }: Path): boolean {
  return transport === 'tcp' && rttMs <= nearMs
}
