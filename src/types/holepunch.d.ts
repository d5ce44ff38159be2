/** Ambient types for the modules that ship none; only what p2psync calls. For private members see hypercore-private.d.ts. */

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
        readonly metadata?: { readonly contentFeed: Uint8Array } | undefined
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
    /** Memory for a message of so many bytes, to be written next. */
    alloc(length: number): Uint8Array
    /** The frame of what was allocated last, with room around it, and that. The stream's own. */
    _outgoingWrapped: Uint8Array | null
    _outgoingPlain: Uint8Array | null
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
      options?: {
        readonly readOnly?: boolean
        readonly columnFamily?: unknown
        readonly maxOpenFiles?: number
        readonly maxBackgroundJobs?: number
      }
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
    compactRange(start: null, end: null, options: { readonly bottommostLevelCompaction: number }): Promise<void>
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
    /** The address of this node as others see it; `null` while they don't agree, or haven't answered. */
    readonly host: string | null
    /** 0 if they see different ports. */
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
