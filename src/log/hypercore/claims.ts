import { BoundedMap } from '../../bounded-map.ts'
import type { Version } from '../../tree/tree.ts'

/** What a peer says of the log: nobody has signed it. */
export interface Claim {
  readonly remotePublicKey: Uint8Array
  readonly remoteFork: number
  readonly remoteLength: number
}

/** For so long a peer is believed that it has more than we do, without our getting any of it. */
const beliefMsMax = 10_000
/** Peers remembered; those beyond are believed anew. */
const peersMax = 1000

interface Doubt {
  readonly sinceMs: number
  /** What we had when the claim was made. */
  readonly had: Version
}

/**
 * Weighs what peers claim to have. A length costs nothing to claim, while the proof that comes with a
 * true one is small and comes at once: a claim that nothing follows is worth nothing after a while.
 */
export class Claims {
  readonly #doubts = new BoundedMap<string, Doubt>(peersMax)

  /** Whether a peer is to be believed that it has more than `ours`, at a time of a clock that never goes back. */
  hasMore(peer: Claim, ours: Version, nowMs: number): boolean {
    const { fork, length } = ours
    const key = Buffer.from(peer.remotePublicKey).toString('hex')
    const doubt = this.#doubts.get(key)
    const more = peer.remoteFork > fork || (peer.remoteFork === fork && peer.remoteLength > length)
    if (!more) {
      // Taken back is not proven: only what has come since clears it.
      if (doubt !== undefined && (doubt.had.fork !== fork || doubt.had.length !== length)) this.#doubts.delete(key)
      return false
    }
    if (doubt !== undefined) return nowMs - doubt.sinceMs < beliefMsMax
    this.#doubts.set(key, { sinceMs: nowMs, had: ours })
    return true
  }
}
