/** Peers remembered. */
const peersMax = 256

/**
 * Tells two processes that have the same keys, as after a disk was copied with all that was on it, from one that was
 * started anew: a process that has ended doesn't come back.
 */
export class DuplicateIdentity {
  /** The two processes that came last as a peer, the latest at the end. */
  readonly #runs = new Map<string, readonly string[]>()

  /** @returns whether this is the one that another has replaced before */
  met(peer: string, run: string): boolean {
    const runs = this.#runs.get(peer) ?? []
    if (run === runs.at(-1)) return false
    this.#runs.delete(peer)
    this.#runs.set(peer, [...runs.slice(-1), run])
    const [oldest] = this.#runs.keys()
    if (this.#runs.size > peersMax && oldest !== undefined) this.#runs.delete(oldest)
    return runs.length === 2 && run === runs[0]
  }
}
