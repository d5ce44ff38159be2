import { BoundedMap } from '../../bounded-map.ts'
import type { Version } from '../../tree/tree.ts'

/** A peer's unsigned statement about a log. */
export interface Claim {
  readonly remotePublicKey: Uint8Array
  readonly remoteFork: number
  readonly remoteLength: number
}

/** How long a peer is believed to have more than this one while none of it comes. */
const beliefMsMax = 10_000
/** Peers remembered; a peer forgotten is believed anew. */
const peersMax = 1000

interface Doubt {
  readonly sinceMs: number
  /** The version that was here when the claim was made. */
  readonly ours: Version
}

/**
 * Weighs the claims of peers. Claiming a length costs nothing, while the proof of a true one is small and comes at
 * once: a claim that nothing follows counts for nothing after a while.
 */
export class Claims {
  readonly #doubts = new BoundedMap<string, Doubt>(peersMax)

  /** Whether to believe that a peer has more than `ours`, at a time of a clock that never goes back. */
  hasMore(peer: Claim, ours: Version, nowMs: number): boolean {
    const { fork, length } = ours
    const key = Buffer.from(peer.remotePublicKey).toString('hex')
    const doubt = this.#doubts.get(key)
    const more = peer.remoteFork > fork || (peer.remoteFork === fork && peer.remoteLength > length)
    if (!more) {
      // A peer that takes its claim back has not proven it: only progress since then clears the doubt.
      if (doubt !== undefined && (doubt.ours.fork !== fork || doubt.ours.length !== length)) this.#doubts.delete(key)
      return false
    }
    if (doubt !== undefined) return nowMs - doubt.sinceMs < beliefMsMax
    this.#doubts.set(key, { sinceMs: nowMs, ours })
    return true
  }
}
