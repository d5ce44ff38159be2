import type { Link, Refusal } from './link.ts'
import type { Peer } from './peer.ts'

export interface AdmissionOptions {
  readonly peers: () => Iterable<Peer>
  /** Called with each link that is refused to make room for another. */
  readonly onDisplaced: (link: Link) => void
}

const peersMax = 64

/** Decides which peers that know the secret may stay connected. */
export class Admission {
  /** The public keys of the allowed machines, in hexadecimal; `undefined` allows all. */
  allow: ReadonlySet<string> | undefined
  readonly #options: AdmissionOptions

  constructor(allow: ReadonlySet<string> | undefined, options: AdmissionOptions) {
    this.allow = allow
    this.#options = options
  }

  isAllowed({ introduction }: Link): boolean {
    return this.allow?.has(Buffer.from(introduction?.machine ?? []).toString('hex')) !== false
  }

  /** Why an introduced link must be refused, if so. Refuses another link to make room where that is fair. */
  refusal(link: Link): Refusal | undefined {
    if (!this.isAllowed(link)) return 'not-allowed'
    // Count peers that never replicate, too: they also take a place.
    const admitted = [...this.#options.peers()].filter(({ isAdmitted }) => isAdmitted)
    if (admitted.length < peersMax || admitted.some(({ key }) => key === link.peer)) return undefined
    return this.#makeRoom(link, admitted) ? undefined : 'full'
  }

  /**
   * Takes a place from the host that has most of them for a host with fewer, so that one host can't lock out all
   * others.
   */
  #makeRoom(link: Link, admitted: readonly Peer[]): boolean {
    const hosts = admitted.map(({ links }) => links.find(({ isAdmitted }) => isAdmitted)?.remoteHost)
    const countOf = (host: string | undefined) => hosts.filter((other) => other === host).length
    const maxCount = Math.max(...hosts.map(countOf))
    if (countOf(link.remoteHost) + 1 >= maxCount) return false
    const displaced = admitted.findLast((_, i) => countOf(hosts[i]) === maxCount)
    for (const each of displaced?.links ?? []) {
      this.#options.onDisplaced(each)
      each.refuse('full')
    }
    return true
  }
}
