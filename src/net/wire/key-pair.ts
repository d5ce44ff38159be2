/** A pair of Ed25519 keys. */
export interface KeyPair {
  readonly publicKey: Buffer
  readonly secretKey: Buffer
}
