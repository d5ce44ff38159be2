import type { Link, Refusal } from './link.ts'
import type { Peer } from './peer.ts'

export interface AdmissionOptions {
  readonly peers: () => Iterable<Peer>
  /** A link is refused to make room for another. */
  readonly onDisplaced: (link: Link) => void
}

const peersMax = 64

/** Who of those that know the secret may stay connected. */
export class Admission {
  /** The machines that may, by public key in hexadecimal; all when `undefined`. */
  allow: ReadonlySet<string> | undefined
  readonly #options: AdmissionOptions

  constructor(allow: ReadonlySet<string> | undefined, options: AdmissionOptions) {
    this.allow = allow
    this.#options = options
  }

  isAllowed({ introduction }: Link): boolean {
    return this.allow?.has(Buffer.from(introduction?.machine ?? []).toString('hex')) !== false
  }

  /** Why a link that is introduced can't stay; where another can go for it, that one is let go. */
  refusal(link: Link): Refusal | undefined {
    if (!this.isAllowed(link)) return 'not-allowed'
    // Also those that never replicate anything.
    const admitted = [...this.#options.peers()].filter(({ isAdmitted }) => isAdmitted)
    if (admitted.length < peersMax || admitted.some(({ key }) => key === link.peer)) return undefined
    return this.#makesRoom(link, admitted) ? undefined : 'full'
  }

  /** A host that has taken most of the places gives one up to a host with few: nobody can lock all others out by himself. */
  #makesRoom(link: Link, admitted: readonly Peer[]): boolean {
    const hosts = admitted.map(({ links }) => links.find(({ isAdmitted }) => isAdmitted)?.remoteHost)
    const countOf = (host: string | undefined) => hosts.filter((other) => other === host).length
    const most = Math.max(...hosts.map(countOf))
    if (countOf(link.remoteHost) + 1 >= most) return false
    const last = admitted.findLast((_, i) => countOf(hosts[i]) === most)
    for (const each of last?.links ?? []) {
      this.#options.onDisplaced(each)
      each.refuse('full')
    }
    return true
  }
}
