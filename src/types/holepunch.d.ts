/** Ambient types for the modules that ship none; only what p2psync calls. */

declare module 'hypercore' {
  import type { EventEmitter } from 'node:events'

  export interface Peer {
    readonly remotePublicKey: Buffer
    readonly remoteOpened: boolean
    readonly remoteSynced: boolean
    readonly remoteLength: number
    readonly remoteFork: number
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
    _fulfillRequest(request: { fulfill(): Promise<unknown> }, pushing: boolean): Promise<unknown>
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
    tryFlush(): void
  }

  export interface BlockWrite {
    putBlock(index: number, bytes: Uint8Array): void
    deleteTreeNode(index: number): void
  }

  export interface DataMessage {
    readonly block: { readonly index: number; readonly value: Uint8Array | null } | null
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
    readonly peers: readonly Peer[]
    /** What all sessions of a core share. Hypercore's own. */
    readonly core: {
      readonly bitfield: {
        /** The first block from a position on that is here, or isn't; -1 where there is none. */
        findFirst(isHere: boolean, from: number): number
      }
      readonly state: {
        readonly storage: BlockStorage
        /** Together they cover all blocks. */
        readonly roots: readonly TreeNode[]
      }
    }
    readonly replicator: {
      setInflightRange(min: number, max: number): void
      /** Asks a peer for the proof of its fork where that is newer and nobody else was asked. Hypercore's own. */
      _updateFork(peer: Peer): unknown
      /** Asks a peer for what it may be asked for now. */
      updatePeer(peer: Peer): void
      readonly hotswaps: {
        /** What a peer may be asked for besides those who were asked already. */
        pick(peer: Peer): Iterable<BlockRequest>
      }
    }
    ready(): Promise<void>
    close(): Promise<void>
    session(options?: { readonly wait?: boolean }): Hypercore
    snapshot(): Hypercore
    append(blocks: Uint8Array | readonly Uint8Array[]): Promise<{ length: number }>
    get(index: number, options?: { readonly wait?: boolean; readonly timeout?: number }): Promise<Buffer | null>
    has(start: number, end?: number): Promise<boolean>
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
    download(range: { readonly start: number; readonly end: number }): Download
    update(options?: { readonly wait?: boolean }): Promise<boolean>
  }
}

declare module 'hyperbee' {
  import type Hypercore from 'hypercore'

  export interface Node {
    readonly seq: number
    readonly key: Buffer
    readonly value: Buffer
  }

  export interface Range {
    readonly gt?: Uint8Array
    readonly gte?: Uint8Array
    readonly lt?: Uint8Array
    readonly lte?: Uint8Array
  }

  export interface Batch {
    put(key: Uint8Array, value: Uint8Array): Promise<void>
    del(key: Uint8Array): Promise<void>
    flush(): Promise<void>
    close(): Promise<void>
  }

  export default class Hyperbee {
    constructor(
      core: Hypercore,
      options?: {
        readonly keyEncoding?: 'binary'
        readonly valueEncoding?: 'binary'
        readonly extension?: boolean
        readonly metadata?: { readonly contentFeed: Uint8Array }
      }
    )
    readonly core: Hypercore
    readonly version: number
    ready(): Promise<void>
    close(): Promise<void>
    get(key: Uint8Array): Promise<Node | null>
    batch(): Batch
    checkout(version: number): Hyperbee
    getHeader(): Promise<{ readonly metadata: { readonly contentFeed: Buffer | null } | null }>
    createReadStream(range?: Range): AsyncIterable<Node>
    createHistoryStream(range: { readonly gte: number }): AsyncIterable<Node & { readonly type: 'put' | 'del' }>
    createDiffStream(
      right: number | Hyperbee,
      range?: Range
    ): AsyncIterable<{ readonly left: Node | null; readonly right: Node | null }>
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
  export default class CorestoreStorage {
    constructor(
      path: string,
      options?: {
        readonly readOnly?: boolean
        readonly writeBufferSize?: number
        readonly maxOpenFiles?: number
        readonly maxBackgroundJobs?: number
        readonly blobFileSize?: number
        readonly blockCache?: boolean
        readonly tableCacheIndexAndFilterBlocks?: boolean
      }
    )
    readonly db: { flush(): Promise<void> }
    setSeed(seed: Buffer): Promise<unknown>
    close(): Promise<void>
  }
}

declare module 'corestore' {
  import type { Duplex } from 'node:stream'
  import type Hypercore from 'hypercore'
  import type CorestoreStorage from 'hypercore-storage'

  export default class Corestore {
    constructor(
      storage: CorestoreStorage,
      options?: { readonly readOnly?: boolean; readonly globalCache?: { readonly maxSize: number } }
    )
    readonly storage: CorestoreStorage
    ready(): Promise<void>
    close(): Promise<void>
    get(options: { readonly name: string } | { readonly key: Uint8Array }): Hypercore
    createKeyPair(name: string): Promise<{ readonly publicKey: Buffer; readonly secretKey: Buffer }>
    replicate(stream: Duplex): void
  }
}

declare module 'hyperswarm' {
  import type { EventEmitter } from 'node:events'
  import type SecretStream from '@hyperswarm/secret-stream'
  import type DHT from 'hyperdht'

  export type Connection = SecretStream

  /** What secret-stream keeps to itself, and a throttle takes hold of. */
  export interface ConnectionInside {
    readonly rawStream: UdxStream
    /** Encrypts a message, as it is given. */
    _write(message: Buffer, done: (error: Error | null) => void): void
    /** Where it writes its frames to. Once opened it listens to nothing more of it. */
    _rawStream: {
      write(bytes: Buffer): boolean
      end(): void
      on(name: string, listener: () => void): unknown
    }
    readonly _timeoutTimer: { refresh(): void } | null
  }

  export interface UdxStream extends EventEmitter {
    readonly bytesReceived?: number
    write(bytes: Buffer): boolean
    end(): void
    pause: () => UdxStream
    resume: () => UdxStream
  }

  export interface Discovery {
    refresh(): Promise<void>
    flushed(): Promise<void>
  }

  export default class Hyperswarm extends EventEmitter {
    constructor(options: {
      readonly keyPair: { readonly publicKey: Buffer; readonly secretKey: Buffer }
      /** Its node; one of its own with `bootstrap`, or the public nodes, when left out. */
      readonly dht?: DHT
      readonly bootstrap?: readonly { readonly host: string; readonly port: number }[]
      /** Milliseconds before a peer that was lost is dialled again, the first time and so on. */
      readonly backoffs?: readonly number[]
      readonly maxPeers?: number
    })
    readonly dht: DHT
    readonly server: { refresh(): void }
    join(topic: Buffer, options: { readonly server: boolean; readonly client: boolean }): Discovery
    destroy(): Promise<void>
  }
}

declare module '@hyperswarm/secret-stream' {
  import type { EventEmitter } from 'node:events'
  import { Duplex } from 'node:stream'

  /** What carries the frames of a secret-stream. */
  export interface RawStream extends EventEmitter {
    readonly bytesReceived?: number | undefined
    readonly bytesTransmitted?: number | undefined
    readonly remoteHost?: string | undefined
    readonly remotePort?: number | undefined
    readonly localHost?: string | undefined
    write(bytes: Buffer): boolean
    end(): void
    destroy(error?: Error | null): void
    pause(): unknown
    resume(): unknown
  }

  export default class SecretStream extends Duplex {
    constructor(
      isInitiator: boolean,
      rawStream: RawStream,
      options?: {
        /** `XX` unless given. */
        readonly pattern?: 'XX' | 'IK'
        readonly keyPair?: { readonly publicKey: Buffer; readonly secretKey: Buffer }
        readonly remotePublicKey?: Buffer
      }
    )
    readonly rawStream: RawStream
    readonly isInitiator: boolean
    readonly publicKey: Buffer
    readonly remotePublicKey: Buffer
    readonly handshakeHash: Buffer
    /** False when it was destroyed first. */
    readonly opened: Promise<boolean>
    readonly keepAlive: number
    /** Counts only what is encrypted. */
    readonly rawBytesRead: number
    /** True as soon as `destroy` was called; `destroyed` is later. */
    readonly destroying: boolean
    setKeepAlive(milliseconds: number): void
    setTimeout(milliseconds: number): void
  }
}

declare module 'hypercore-id-encoding' {
  const ids: {
    encode(key: Uint8Array): string
    decode(id: string): Buffer
  }
  export default ids
}

declare module 'rocksdb-native' {
  export interface WriteBatch {
    tryPut(key: string | Buffer, value: string | Buffer): void
    tryDelete(key: string | Buffer): void
    flush(): Promise<void>
    destroy(): void
  }

  export interface ReadBatch {
    get(key: string | Buffer): Promise<Buffer | null>
    tryFlush(): void
    flush(): Promise<void>
    destroy(): void
  }

  export default class RocksDB {
    constructor(
      path: string,
      options?: { readonly columnFamily?: unknown; readonly maxOpenFiles?: number; readonly maxBackgroundJobs?: number }
    )
    ready(): Promise<void>
    close(): Promise<void>
    get(key: string | Buffer): Promise<Buffer | null>
    read(): ReadBatch
    write(): WriteBatch
    iterator(range: {
      readonly gte?: string | Buffer
      readonly lt?: string | Buffer
      readonly capacity?: number
    }): AsyncIterable<{ readonly key: Buffer; readonly value: Buffer }>
    deleteRange(start: string | Buffer, end: string | Buffer): Promise<void>
    flush(): Promise<void>
  }

  export class ColumnFamily {
    constructor(name: string, options?: { readonly writeBufferSize?: number })
  }
}

declare module 'fs-native-extensions' {
  const extensions: {
    tryLock(fd: number): boolean
    unlock(fd: number): void
    getAttrSync(fd: number, name: string): Uint8Array | null
    swapSync(from: string, to: string): void
  }
  export default extensions
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
  /** Ed25519, out of a seed of 32 bytes. */
  export function keyPair(seed: Uint8Array): { readonly publicKey: Buffer; readonly secretKey: Buffer }

  /** What Hypercore's modules look up each time that they need it. */
  const crypto: {
    /** The hash of a block in the Merkle tree of its core. */
    data(block: Uint8Array): Buffer
  }
  export default crypto
}

declare module 'hyperdht' {
  import type { EventEmitter } from 'node:events'
  import type SecretStream from '@hyperswarm/secret-stream'

  export interface NodeAddress {
    readonly host: string
    readonly port: number
  }

  export interface Reply {
    /** In milliseconds. */
    readonly rtt: number
    readonly from: NodeAddress
    /** This node, as the other sees it. */
    readonly to: NodeAddress
  }

  export interface Options {
    readonly bootstrap?: readonly (NodeAddress | string)[]
    readonly host?: string
    /** One, or the first and the one after the last to try. */
    readonly port?: number | readonly [number, number]
    readonly anyPort?: boolean
    readonly ephemeral?: boolean
    readonly firewalled?: boolean
  }

  export default class DHT extends EventEmitter {
    /** The public nodes, `address@name:port`. */
    static readonly BOOTSTRAP: readonly string[]
    static keyPair(seed: Uint8Array): { readonly publicKey: Buffer; readonly secretKey: Buffer }
    static bootstrapper(port: number, host: string, options: Options): DHT
    constructor(options: Options)
    readonly firewalled: boolean
    /** Whether requests are answered. */
    readonly online: boolean
    /** As whom others see this node; `null` while they don't agree, or haven't said. */
    readonly host: string | null
    /** 0 when each sees another. */
    readonly port: number
    readonly nodes: { readonly length: number }
    /** Dials a peer; an error of the stream has a `code`. */
    connect(publicKey: Buffer, options?: object): SecretStream
    fullyBootstrapped(): Promise<void>
    ping(node: NodeAddress, options?: { readonly retry?: boolean }): Promise<Reply>
    /** The nodes that it knows. */
    toArray(): readonly NodeAddress[]
    destroy(options?: { readonly force?: boolean }): Promise<void>
  }
}

declare module 'hyperdht/testnet.js' {
  export interface Testnet {
    readonly bootstrap: readonly { readonly host: string; readonly port: number }[]
    destroy(): Promise<void>
  }

  export default function createTestnet(size: number, options?: { readonly host?: string }): Promise<Testnet>
}
