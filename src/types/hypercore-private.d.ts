/**
 * PRIVATE members of Hypercore, Hyperbee and hypercore-storage: undocumented, and free to change with any release of
 * theirs. Only src/log/hypercore may name them (test/layers.test.ts), and test/log/hypercore/private-api.test.ts fails when
 * an upgrade moves one of them. Versions are pinned in package.json.
 */

declare module 'hypercore' {
  /** What a core, or a session of one, keeps to itself. */
  export interface CoreInternals {
    readonly opened: boolean
    readonly closing: Promise<void> | null
    /** What this session reads from; `null` before it is open. */
    readonly state: { readonly storage: BlockStorage } | null
    readonly peers: readonly PeerInternals[]
    /** Shared by all sessions of a core. */
    readonly core: {
      readonly bitfield: {
        /** The first block from a position on that is present, or absent; -1 if there is none. */
        findFirst(isPresent: boolean, from: number): number
        get(index: number): boolean
      }
      readonly state: {
        readonly storage: BlockStorage
        /** Together they cover all blocks. */
        readonly roots: readonly TreeNode[]
        /** The tree as it is. */
        createTreeBatch(): object
      }
      readonly header: { readonly tree: { readonly signature: Buffer | null } }
      /** Checks signatures of the tree; `null` until the core's manifest is known. */
      readonly verifier: { verify(tree: object, signature: Buffer): boolean } | null
    }
    readonly replicator: {
      setInflightRange(min: number, max: number): void
      /** Asks a peer for the proof of its fork if that is newer and no other peer was asked. */
      _updateFork(peer: PeerInternals): unknown
      /** Sends a peer the requests that are due. */
      updatePeer(peer: PeerInternals): void
      /** Tells a peer which blocks of a range are here. */
      _onwant(peer: PeerInternals, start: number, length: number, isAnyEnough: boolean): void
      readonly hotswaps: {
        /** Blocks that a peer may be asked for though other peers were asked already. */
        pick(peer: PeerInternals): Iterable<BlockRequest>
      }
    }
    /** Takes a block as if a peer had sent it. */
    applyProof(proof: {
      readonly fork: number
      readonly block: { readonly index: number; readonly value: Uint8Array; readonly nodes: readonly TreeNode[] }
      readonly hash: null
      readonly seek: null
      readonly upgrade: null
      readonly manifest: null
    }): Promise<unknown>
  }

  /** A peer of a core, as its replicator keeps it. */
  export interface PeerInternals {
    readonly remotePublicKey: Buffer
    readonly remoteOpened: boolean
    readonly remoteSynced: boolean
    readonly remoteLength: number
    readonly remoteFork: number
    /** How many blocks the peer has from the first one on. */
    readonly remoteContiguousLength: number
    /** The same as last announced as a number; blocks that only the bits announce aren't counted. */
    readonly _remoteContiguousLength: number
    readonly remoteBitfield: { setRange(start: number, end: number, isPresent: boolean): void }
    /** Recomputes which blocks of a range the peer has and this side lacks. */
    _unclearLocalRange(start: number, length: number): void
    /** Whether the peer announced a block. */
    _remoteHasBlock(index: number): boolean
    /** Asks the peer to announce the blocks around one; `handle` stands for the range that wants them. */
    _maybeWant(index: number, handle: { addWant(want: unknown): void; removeWant(want: unknown): void }): void
    /** Asks for a hash of the peer's fork, to find where that begins. @returns whether a request was sent */
    _requestForkRange(reorganisation: unknown): boolean
    /** Asks for a block if the peer has it. @returns whether a request was sent */
    _requestBlock(wanted: { readonly index: number }): boolean
    /** Requests sent to the peer that it hasn't answered. */
    readonly inflight: number
    readonly stats: {
      readonly wireData: { readonly rx: number }
      /** How many requests the peer answered with "not available". */
      notAvailableBackoffs: number
    }
    /** Whether the peer gets no more requests. */
    paused: boolean
    isActive(): boolean
    /** Answers a request. */
    _fulfillRequest(request: BlockAnswer, pushing: boolean): Promise<unknown>
    readonly stream: { readonly rawStream: { readonly bytesReceived?: number }; destroy(): void }
    /** Requests of the peer that wait for an answer. */
    readonly remoteRequests: ReadonlyMap<number, unknown>
    // Handlers of the peer's messages.
    onrange(message: RangeMessage): unknown
    onbitfield(message: { readonly start: number; readonly bitfield: Uint32Array }): unknown
    onrequest(message: { readonly id: number }): unknown
    onsync(message: { readonly fork: number }): unknown
    ondata(message: DataMessage): unknown
    /** Whether the connection has ended. */
    readonly removed: boolean
    /** How many blocks the peer may be asked for at once. */
    getMaxInflight(): number
    /** How many of those that other peers were asked for already. */
    getMaxHotswapInflight(): number
  }

  /** Produces the answer to a request. */
  export interface BlockAnswer {
    fulfill(): Promise<{ readonly block: { readonly value: Uint8Array } | null } | null>
  }

  /** A block that is wanted. */
  export interface BlockRequest {
    /** Peers that were asked for it, and when, by `Date.now()`. */
    readonly inflight: readonly { readonly peer: PeerInternals; readonly timestamp: number }[]
  }

  /** Where a core is kept, by hypercore-storage. */
  export interface BlockStorage {
    read(fork?: number): BlockRead
    write(): BlockWrite
    snapshot(): BlockStorage
  }

  /** A node of a core's Merkle tree: the leaf of block i has index 2i. */
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
    /** The batch of rocksdb-native, with the reads that it will send to the engine. */
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
}

declare module 'hypercore/lib/merkle-tree.js' {
  import type { BlockStorage } from 'hypercore'

  /** Hypercore's modules read its properties at each call, so a replacement takes effect everywhere. */
  export const MerkleTree: {
    missingNodes(session: { readonly storage: BlockStorage }, index: number, length: number): Promise<number>
  }
}

declare module 'hyperbee' {
  /** What a batch keeps to itself. */
  export interface BatchInternals {
    /** The length of the core with all that was put so far. */
    readonly version: number
  }
}

declare module 'hyperbee/lib/messages.js' {
  export interface Level {
    readonly keys: readonly number[]
    /** Pairs of a block and the index of a node in it. */
    readonly children: readonly number[]
  }

  interface Index {
    readonly levels: readonly Level[]
  }

  interface Pair {
    readonly key: Buffer
    readonly value?: Buffer | null
    readonly index: Buffer
  }

  export const YoloIndex: {
    encode(index: Index): Buffer
    decode(bytes: Uint8Array): Index
  }
  export const Node: {
    encode(node: Pair): Buffer
    decode(bytes: Uint8Array): Pair
  }
}

declare module 'hypercore-storage' {
  /** What a storage keeps to itself. */
  export interface StorageInternals {
    readonly db: {
      flush(): Promise<void>
      compactRange(
        start: null,
        end: null,
        options: {
          /** As configured, 0; always, 1; never, 2. */
          readonly blobGarbageCollectionPolicy?: number
          /** The share of the blob files that is rewritten, the oldest first. */
          readonly blobGarbageCollectionAgeCutoff?: number
          readonly bottommostLevelCompaction: number
        }
      ): Promise<void>
      /** A number of the engine's, as text. */
      getProperty(name: string): Promise<string | null>
      iterator(range: {
        readonly gte: Buffer
        readonly lt: Buffer
        readonly reverse?: boolean
        readonly values?: boolean
        readonly capacity?: number
      }): AsyncIterable<unknown>
    }
    setSeed(seed: Buffer): Promise<unknown>
  }
}
