import type SecretStream from '@hyperswarm/secret-stream'

/** A stream whose handshake is done; what the other end may send is bounded until it is trusted. */
export interface BoundedStream {
  readonly stream: SecretStream
  /** The other end has proven that it is a peer, and may stay. */
  trust(): void
}
