import type SecretStream from '@hyperswarm/secret-stream'

/** A stream whose handshake is done, and on which the other end may send only a bounded amount until trusted. */
export interface BoundedStream {
  readonly stream: SecretStream
  /** Lifts the bound: the other end has proven that it is a peer, and was admitted. */
  trust(): void
}
