/** Ambient types of Hypercore's documented API; only what p2psync calls. Private members are in hypercore-private.d.ts. */

declare module 'hypercore' {
  import type { EventEmitter } from 'node:events'

  export interface Download {
    done(): Promise<void>
    destroy(): void
  }

  export default class Hypercore extends EventEmitter {
    readonly key: Buffer
    readonly discoveryKey: Buffer
    readonly length: number
    readonly byteLength: number
    readonly contiguousLength: number
    readonly fork: number
    readonly writable: boolean
    readonly peers: { readonly length: number }
    ready(): Promise<void>
    close(): Promise<void>
    session(options?: { readonly wait?: boolean; readonly timeout?: number }): Hypercore
    snapshot(): Hypercore
    append(blocks: Uint8Array | readonly Uint8Array[]): Promise<{ length: number }>
    get(index: number, options?: { readonly wait?: boolean; readonly timeout?: number }): Promise<Buffer | null>
    has(start: number, end?: number): Promise<boolean>
    /** Of all blocks before a length; of no more than are there. */
    treeHash(length: number): Promise<Buffer>
    clear(start: number, end?: number): Promise<unknown>
    truncate(length: number, options?: { readonly fork?: number }): Promise<void>
    download(range: { readonly start: number; readonly end: number } | { readonly blocks: readonly number[] }): Download
    update(options?: { readonly wait?: boolean }): Promise<boolean>
    /** Finds the block that holds a byte of the core, and the byte's offset in that block. */
    seek(bytes: number, options?: { readonly wait?: boolean }): Promise<readonly [block: number, offset: number] | null>
  }
}

declare module 'flat-tree' {
  const flat: {
    /** The last index that a node covers. */
    rightSpan(index: number): number
    iterator(index: number): {
      readonly index: number
      leftChild(): number
      sibling(): number
      parent(): number
      /** Whether a node is this one, or beneath it. */
      contains(index: number): boolean
    }
  }
  export default flat
}

declare module 'hypercore-crypto' {
  /** Ed25519, out of a seed of 32 bytes. */
  export function keyPair(seed: Uint8Array): { readonly publicKey: Buffer; readonly secretKey: Buffer }

  interface HashedNode {
    readonly index: number
    readonly size: number
    readonly hash: Buffer
  }

  /** Hypercore's modules read these properties at each call, so a replacement takes effect everywhere. */
  const crypto: {
    /** The hash of a block in the Merkle tree of its core. */
    data(block: Uint8Array): Buffer
    /** The hash of a node with these two beneath it, in either order. */
    parent(a: HashedNode, b: HashedNode): Buffer
  }
  export default crypto
}
