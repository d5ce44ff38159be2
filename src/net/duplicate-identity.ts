import { BoundedMap } from '../bounded-map.ts'

/** Peers remembered. */
const peersMax = 256

/**
 * Tells two processes that have the same keys, as after a disk was copied with all that was on it, from one that was
 * started anew: a process that has ended doesn't come back.
 */
export class DuplicateIdentity {
  /** The two processes that came last as a peer, the latest at the end. */
  readonly #runs = new BoundedMap<string, readonly string[]>(peersMax)

  /** @returns whether this is the one that another has replaced before */
  met(peer: string, run: string): boolean {
    const runs = this.#runs.get(peer) ?? []
    if (run === runs.at(-1)) return false
    this.#runs.renew(peer, [...runs.slice(-1), run])
    return runs.length === 2 && run === runs[0]
  }
}
