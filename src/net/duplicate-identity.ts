import { BoundedMap } from '../bounded-map.ts'

/** Peers remembered. */
const peersMax = 256

/**
 * Detects two running processes with the same keys, as after a disk was cloned. A restarted process looks similar, but
 * a process that has ended never returns: two identities that alternate are both alive.
 */
export class DuplicateIdentity {
  /** The two most recent processes that connected as each peer, the latest last. */
  readonly #runs = new BoundedMap<string, readonly string[]>(peersMax)

  /**
   * Records that a process connected as a peer.
   *
   * @param run identifies the process
   * @returns whether another process had replaced this one: both are running
   */
  observe(peer: string, run: string): boolean {
    const runs = this.#runs.get(peer) ?? []
    if (run === runs.at(-1)) return false
    this.#runs.renew(peer, [...runs.slice(-1), run])
    return runs.length === 2 && run === runs[0]
  }
}
