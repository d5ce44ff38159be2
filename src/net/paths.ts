/**
 * The ways to one peer, and which of them carries its replication. Pure: it is told what happens and when, and says
 * what to do.
 *
 * One end decides, the one with the larger public key, and tells the other by `carry`: two that decide
 * by themselves change their minds past each other for ever. TCP is taken where it is good (near, or with a
 * congestion control that bears losses), UDX otherwise, and either before none. The way that is not taken stays as a
 * spare, unless it has carried: what was replicated over can't be taken back, so that one goes.
 */
export type Transport = 'tcp' | 'udx'

export interface Path {
  readonly id: number
  readonly transport: Transport
  readonly dialledBy: 'us' | 'them'
  /** When its handshake was done, and when it was up: on a busy machine the one may take seconds after the other. */
  readonly openedMs: number
  readonly upMs: number
  /** The least time that an answer took, in milliseconds. */
  readonly rttMs: number
  /** Up to how long a round trip TCP is good on this way. */
  readonly nearMs: number
}

export type Act =
  /** Replicate over this path from now on, and tell the other end. */
  { readonly type: 'carry'; readonly id: number } | { readonly type: 'drop'; readonly id: number }

export interface PathsOptions {
  /** Whether this end decides: its public key is the larger one. */
  readonly decides: boolean
  /** Whether a path of this kind may come up soon. */
  readonly mayCome: (transport: Transport) => boolean
}

/** Two TCP connections, one opened about when the other was up, are a crossing; a later one replaces one that the other end lost. */
const crossingMs = 1000
/** A spare that may turn out better is waited for so long before anything is carried. */
const patienceMs = 400
/** A change of paths lets the old one send what it has on its way for so long. */
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
  /** When the first of the present paths came. */
  #sinceMs = 0
  #turns = 0

  constructor({ decides, mayCome }: PathsOptions) {
    this.#decides = decides
    this.#mayCome = mayCome
  }

  /** The path that carries; the latest, while one takes over from another. */
  get carrier(): Path | undefined {
    return this.#carriers.at(-1)
  }

  get(id: number): Path | undefined {
    return this.#paths.get(id)
  }

  has(transport: Transport): boolean {
    return [...this.#paths.values()].some((path) => path.transport === transport)
  }

  /** Whether a TCP path would be taken if there were one. */
  get wouldTakeTcp(): boolean {
    const udx = this.#kept('udx')
    return udx === undefined || udx.rttMs <= udx.nearMs
  }

  /** A path came up. */
  up(path: Path, nowMs: number): readonly Act[] {
    if (this.#paths.size === 0) this.#sinceMs = nowMs
    this.#paths.set(path.id, { ...path, carriesSinceMs: undefined, turn: 0 })
    return this.decide(nowMs)
  }

  /** A path is gone. */
  down(id: number, nowMs: number): readonly Act[] {
    this.#paths.delete(id)
    return this.decide(nowMs)
  }

  /** An answer took so long. */
  measured(id: number, rttMs: number, nowMs: number): readonly Act[] {
    const path = this.#paths.get(id)
    if (path === undefined || rttMs >= path.rttMs) return []
    this.#paths.set(id, { ...path, rttMs })
    return this.decide(nowMs)
  }

  /** The other end, which decides, has said that it replicates over a path. */
  told(id: number, nowMs: number): void {
    const path = this.#paths.get(id)
    if (path === undefined || path.carriesSinceMs !== undefined) return
    path.carriesSinceMs = nowMs
    path.turn = ++this.#turns
  }

  /** What is to be done now. */
  decide(nowMs: number): readonly Act[] {
    if (!this.#decides) return []
    const acts: Act[] = []
    const [best, carrier] = [this.#best(), this.#carriers.at(-1)]
    // What replaces a path carries before that one goes.
    if (best !== undefined && best !== carrier && (carrier !== undefined || !this.#isWorthWaiting(best, nowMs))) {
      best.turn = ++this.#turns
      // It may carry still, when the change of paths is taken back.
      if (best.carriesSinceMs === undefined) acts.push({ type: 'carry', id: best.id })
      best.carriesSinceMs = nowMs
    }
    for (const path of this.#leaving(nowMs)) {
      this.#paths.delete(path.id)
      acts.push({ type: 'drop', id: path.id })
    }
    return acts
  }

  /** When `decide` should be called, if nothing happens before; `undefined` for never. */
  get dueMs(): number | undefined {
    if (!this.#decides || this.#paths.size === 0) return undefined
    const carriers = this.#carriers
    if (carriers.length === 0) return this.#sinceMs + patienceMs
    return carriers.length > 1 ? (carriers.at(-1)?.carriesSinceMs ?? 0) + overlapMs : undefined
  }

  get #carriers(): Known[] {
    return [...this.#paths.values()]
      .filter(({ carriesSinceMs }) => carriesSinceMs !== undefined)
      .sort((a, b) => a.turn - b.turn)
  }

  /** Those of which there is another of the same kind; what carried before only once it had time to end. */
  #leaving(nowMs: number): readonly Known[] {
    const stay = [this.#kept('tcp'), this.#kept('udx')]
    const sinceMs = this.#carriers.at(-1)?.carriesSinceMs ?? nowMs
    const before = nowMs - sinceMs >= overlapMs ? this.#carriers.slice(0, -1) : []
    const isSurplus = (path: Known) => path.carriesSinceMs === undefined && !stay.includes(path)
    return [...this.#paths.values()].filter((path) => isSurplus(path) || before.includes(path))
  }

  #of(transport: Transport): Known[] {
    return [...this.#paths.values()].filter((path) => path.transport === transport)
  }

  /** The one of several of a kind that stays. */
  #kept(transport: Transport): Known | undefined {
    return this.#of(transport).reduce<Known | undefined>((kept, path) => {
      if (kept === undefined) return path
      const [older, newer] = kept.upMs <= path.upMs ? [kept, path] : [path, kept]
      // Dialled by both at once: that of the larger key stays. The end that decides has it.
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
    if (nowMs - this.#sinceMs >= patienceMs) return false
    const other = best.transport === 'tcp' ? 'udx' : 'tcp'
    return !this.has(other) && this.#mayCome(other) && !isGoodTcp(best)
  }
}

function isGoodTcp({ transport, rttMs, nearMs }: Path): boolean {
  return transport === 'tcp' && rttMs <= nearMs
}
