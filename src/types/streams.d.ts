/** Ambient types for the channels on authenticated streams, and for signatures; only what p2psync calls. */

declare module 'protomux' {
  import type { Duplex } from 'node:stream'
  import type { Encoder } from 'compact-encoding'

  export interface Message<T> {
    send(message: T): boolean
  }

  export interface Channel {
    /** Whether what was sent has left the stream's buffer. */
    readonly drained: boolean
    open(handshake: unknown): void
    close(): void
    addMessage<T>(options: { readonly encoding: Encoder<T>; readonly onmessage: (message: T) => void }): Message<T>
  }

  export default class Protomux {
    static from(stream: Duplex): Protomux
    /** @returns `null` where the stream has such a channel already */
    createChannel<H>(options: {
      readonly protocol: string
      readonly handshake: Encoder<H>
      readonly onopen: (handshake: H) => void
      readonly onclose: () => void
      readonly ondrain: () => void
    }): Channel | null
    /** What is written until `uncork` goes in one frame. */
    cork(): void
    uncork(): void
  }
}

declare module 'hypercore-crypto' {
  export function sign(message: Uint8Array, secretKey: Uint8Array): Buffer
  export function verify(message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean
  export function keyPair(seed?: Uint8Array): { readonly publicKey: Buffer; readonly secretKey: Buffer }
}
