/** One function of hash-wasm by itself: the whole takes 20 ms to load. */
declare module 'hash-wasm/dist/blake2b.umd.min.js' {
  export interface Hasher {
    init(): Hasher
    update(bytes: Uint8Array): Hasher
    digest(as: 'binary'): Uint8Array
  }
  const wasm: {
    createBLAKE2b(bits: number): Promise<Hasher>
  }
  export default wasm
}
