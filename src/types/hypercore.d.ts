/** Ambient types of Hypercore and what is next to it; only what p2psync calls. */

declare module 'hypercore' {
  import type { EventEmitter } from 'node:events'

  export interface Peer {
    readonly remotePublicKey: Buffer
    readonly remoteOpened: boolean
    readonly remoteSynced: boolean
    readonly remoteLength: number
    readonly remoteFork: number
    /** How many blocks it has from the first one on. */
    readonly remoteContiguousLength: number
    /** As far as it is kept as a number; the bits count behind it. Hypercore's own. */
    readonly _remoteContiguousLength: number
    readonly remoteBitfield: { setRange(start: number, end: number, isThere: boolean): void }
    /** Sees anew what of a range it has and we haven't. Hypercore's own. */
    _unclearLocalRange(start: number, length: number): void
    /** Whether it said that it has a block. Hypercore's own. */
    _remoteHasBlock(index: number): boolean
    /** Has it tell which blocks it has, around one; `handle` stands for who wants that. */
    _maybeWant(index: number, handle: { addWant(want: unknown): void; removeWant(want: unknown): void }): void
    /** Asks it for a hash of its fork, to find where that begins. Hypercore's own. @returns whether it was asked */
    _requestForkRange(reorganisation: unknown): boolean
    /** Asks it for a block, where it has that. Hypercore's own. @returns whether it was asked */
    _requestBlock(wanted: { readonly index: number }): boolean
    /** Requests that it was sent and hasn't answered. */
    readonly inflight: number
    readonly stats: {
      readonly wireData: { readonly rx: number }
      /** How often it didn't have what it was asked for. */
      notAvailableBackoffs: number
    }
    /** Whether it is asked for nothing. */
    paused: boolean
    isActive(): boolean
    /** Answers a request. Hypercore's own. */
    _fulfillRequest(request: BlockAnswer, pushing: boolean): Promise<unknown>
    readonly stream: { readonly rawStream: { readonly bytesReceived?: number }; destroy(): void }
    /** Requests of the peer that wait for an answer. */
    readonly remoteRequests: ReadonlyMap<number, unknown>
    // What is called with each message of the peer.
    onrange(message: RangeMessage): unknown
    onbitfield(message: { readonly start: number; readonly bitfield: Uint32Array }): unknown
    onrequest(message: { readonly id: number }): unknown
    onsync(message: { readonly fork: number }): unknown
    ondata(message: DataMessage): unknown
    /** Whether it is connected no more. */
    readonly removed: boolean
    /** How many blocks it may be asked for at once. */
    getMaxInflight(): number
    /** How many when others were asked for them already. */
    getMaxHotswapInflight(): number
  }

  /** What answers a request, when it is there. */
  export interface BlockAnswer {
    fulfill(): Promise<{ readonly block: { readonly value: Uint8Array } | null } | null>
  }

  /** A block that is wanted. */
  export interface BlockRequest {
    /** What peers were asked for it, and when, by `Date.now()`. */
    readonly inflight: readonly { readonly peer: Peer; readonly timestamp: number }[]
  }

  /** Where a core is kept. hypercore-storage's own: what content in place takes hold of. */
  export interface BlockStorage {
    read(fork?: number): BlockRead
    write(): BlockWrite
    snapshot(): BlockStorage
  }

  /** A node of a core's Merkle tree: of block i it is the one with index 2i. */
  export interface TreeNode {
    readonly index: number
    /** Bytes of all blocks beneath it. */
    readonly size: number
    readonly hash: Buffer
  }

  export interface BlockRead {
    getBlock(index: number): Promise<Uint8Array | null>
    getTreeNode(index: number): Promise<TreeNode | null>
    getBitfieldPage(index: number): Promise<Uint8Array | null>
    tryFlush(): void
    destroy(): void
    /** What is to be read from the storage engine. rocksdb-native's own. */
    readonly read: { readonly _operations: readonly unknown[] }
  }

  export interface BlockWrite {
    putBlock(index: number, bytes: Uint8Array): void
    putTreeNode(node: TreeNode): void
    deleteTreeNode(index: number): void
    deleteTreeNodeRange(start: number, end: number): void
    flush(): Promise<unknown>
  }

  /** All buffers in it are parts of the message as it came. */
  export interface DataMessage {
    readonly block: {
      readonly index: number
      readonly value: Uint8Array | null
      readonly nodes: readonly TreeNode[]
    } | null
    readonly hash: { readonly nodes: readonly TreeNode[] } | null
    readonly seek: { readonly nodes: readonly TreeNode[] } | null
    readonly upgrade: object | null
    readonly manifest: object | null
  }

  export interface RangeMessage {
    readonly drop: boolean
    readonly start: number
    readonly length: number
  }

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
    readonly closed: boolean
    readonly closing: Promise<void> | null
    readonly opened: boolean
    /** What this session reads from; `null` before it is open. Hypercore's own. */
    readonly state: { readonly storage: BlockStorage } | null
    readonly peers: readonly Peer[]
    /** What all sessions of a core share. Hypercore's own. */
    readonly core: {
      readonly bitfield: {
        /** The first block from a position on that is here, or isn't; -1 where there is none. */
        findFirst(isHere: boolean, from: number): number
        get(index: number): boolean
      }
      readonly state: {
        readonly storage: BlockStorage
        /** Together they cover all blocks. */
        readonly roots: readonly TreeNode[]
        /** The tree as it is. Hypercore's own. */
        createTreeBatch(): object
      }
      readonly header: { readonly tree: { readonly signature: Buffer | null } }
      /** Knows whose signature counts; `null` before anything has come. */
      readonly verifier: { verify(tree: object, signature: Buffer): boolean } | null
    }
    readonly replicator: {
      setInflightRange(min: number, max: number): void
      /** Asks a peer for the proof of its fork where that is newer and nobody else was asked. Hypercore's own. */
      _updateFork(peer: Peer): unknown
      /** Asks a peer for what it may be asked for now. */
      updatePeer(peer: Peer): void
      /** Tells a peer what is here of a range. Hypercore's own. */
      _onwant(peer: Peer, start: number, length: number, isAnyEnough: boolean): void
      readonly hotswaps: {
        /** What a peer may be asked for besides those who were asked already. */
        pick(peer: Peer): Iterable<BlockRequest>
      }
    }
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
    /** Takes a block as if it came from a peer. */
    applyProof(proof: {
      readonly fork: number
      readonly block: { readonly index: number; readonly value: Uint8Array; readonly nodes: readonly TreeNode[] }
      readonly hash: null
      readonly seek: null
      readonly upgrade: null
      readonly manifest: null
    }): Promise<unknown>
    truncate(length: number, options?: { readonly fork?: number }): Promise<void>
    download(range: { readonly start: number; readonly end: number } | { readonly blocks: readonly number[] }): Download
    update(options?: { readonly wait?: boolean }): Promise<boolean>
    /** The block that has a byte, counted from the core's first, and where in it that is. */
    seek(bytes: number, options?: { readonly wait?: boolean }): Promise<readonly [block: number, offset: number] | null>
  }
}

declare module 'hypercore/lib/merkle-tree.js' {
  import type { BlockStorage } from 'hypercore'

  /** What Hypercore's modules look up each time that they need it. */
  export const MerkleTree: {
    missingNodes(session: { readonly storage: BlockStorage }, index: number, length: number): Promise<number>
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
  import type { TreeNode } from 'hypercore'

  /** Ed25519, out of a seed of 32 bytes. */
  export function keyPair(seed: Uint8Array): { readonly publicKey: Buffer; readonly secretKey: Buffer }

  /** What Hypercore's modules look up each time that they need it. */
  const crypto: {
    /** The hash of a block in the Merkle tree of its core. */
    data(block: Uint8Array): Buffer
    /** The hash of a node with these two beneath it, whichever comes first. */
    parent(a: TreeNode, b: TreeNode): Buffer
  }
  export default crypto
}
