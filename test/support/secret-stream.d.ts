/** Ambient types for the authenticated streams of the network layer, which tests make pairs of. */

declare module '@hyperswarm/secret-stream' {
  import { Duplex } from 'node:stream'

  export default class SecretStream extends Duplex {
    constructor(isInitiator: boolean, rawStream: Duplex)
  }
}
