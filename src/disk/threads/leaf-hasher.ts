import wasm, { type Hasher } from 'hash-wasm/dist/blake2b.umd.min.js'
import crypto from 'hypercore-crypto'
import type { Reply } from './worker-port.ts'

const hashBits = 256
/** Precedes a block in the hash of Hypercore's tree: the node type, 0, and the block's length. */
const prefix = Buffer.alloc(9)
/** For smaller blocks WebAssembly is no faster than sodium. */
const bytesMin = 64 * 1024

/** Nearly twice as fast as sodium, which serves until this is compiled. */
let blake2b: Hasher | undefined
export const compiled: Promise<void> = wasm.createBLAKE2b(hashBits).then(
  (hasher) => {
    blake2b = hasher
  },
  () => {} // Without WebAssembly, sodium does it.
)

/** The hash of a block in the Merkle tree of its core, of 32 bytes: BLAKE2b-256 over its kind, length and bytes. */
export function hashLeaf(block: Uint8Array): Uint8Array {
  if (blake2b === undefined || block.length < bytesMin) return crypto.data(block)
  prefix.writeBigUInt64LE(BigInt(block.length), 1)
  return blake2b.init().update(prefix).update(block).digest('binary')
}

/** The job that hashes one block; see `hashLeaf`. */
export function hashBlock({ bytes }: { readonly bytes: Uint8Array }): Reply<Uint8Array> {
  return { answer: new Uint8Array(hashLeaf(bytes)) }
}
