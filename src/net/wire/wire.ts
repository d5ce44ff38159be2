import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { attendedClock } from '../../attended-clock.ts'
import { giveBack, lentWith } from '../../buffer-pool.ts'
import { plainHost } from '../address/address.ts'
import { type Bucket, Tap } from './bucket.ts'
import { FrameGuard, untrustedBytesMax } from './frame-guard.ts'
import { trustFrames } from './frame-reader.ts'
import { Pacer } from './pacer.ts'

/** Bandwidth limits shared by streams. */
export interface Throttles {
  readonly up: Bucket
  readonly down: Bucket
}

/** How long data beyond a stranger's bound may wait for `trust()`. */
const trustMsMax = 5000

/**
 * A TCP connection as the raw stream of a secret-stream. Until `trust()` a peer can send no more than a handshake
 * needs. A first frame that is too large closes the wire. A later one may come from a peer that has finished its part
 * of the handshake, so it stays unread until `trust()`, which must follow within `trustMsMax`.
 *
 * Emits `data`, `drain`, `end`, `error` and `close` as a socket does; ignores an `error` without a listener, since
 * `close` follows. Data flow from the first `data` listener on.
 */
export class Wire extends EventEmitter {
  readonly remoteHost: string
  readonly remotePort: number
  readonly localHost: string
  readonly #socket: Socket
  readonly #throttles: Throttles | undefined
  readonly #tap: Tap | undefined
  readonly #pacer: Pacer | undefined
  #guard: FrameGuard | undefined = new FrameGuard()
  /** Whether the user of the wire wants data; `undefined` before the first listener, `pause` or `resume`. */
  #wanted: boolean | undefined
  /** Cancels the timeout of data that wait for `trust()`. */
  #cancelEnd: (() => void) | undefined
  #ending = false

  constructor(socket: Socket, throttles?: Throttles) {
    super()
    this.#socket = socket
    this.#throttles = throttles
    this.remoteHost = plainHost(socket.remoteAddress ?? '')
    this.remotePort = socket.remotePort ?? 0
    this.localHost = plainHost(socket.localAddress ?? '')
    this.#tap = throttles && new Tap(throttles.down, () => this.#flow())
    this.#pacer = throttles && new Pacer(throttles.up, { write: (bytes) => this.#send(bytes) }, () => this.#idle())
    socket.setNoDelay(true)
    socket.pause()
    socket.on('data', (chunk: Buffer) => this.#onData(chunk))
    socket.on('drain', () => this.#onDrain())
    socket.on('end', () => this.emit('end'))
    socket.on('error', (error) => this.#onError(error))
    socket.on('close', () => this.#onClose())
    this.on('newListener', (name) => this.#onListener(name))
  }

  get bytesReceived(): number {
    return this.#socket.bytesRead
  }

  get bytesTransmitted(): number {
    return this.#socket.bytesWritten
  }

  /** Lifts the bound: the peer has proved its identity. */
  trust(): void {
    this.#guard = undefined
    trustFrames(this.#socket, () => this.#throttles?.down.limited !== true)
    this.#cancelEnd?.()
    this.#cancelEnd = undefined
    this.#flow()
  }

  /** @returns false when the caller should wait for `drain` */
  write(bytes: Buffer): boolean {
    return this.#pacer?.write(bytes) ?? this.#send(bytes)
  }

  #send(bytes: Buffer): boolean {
    // A lent buffer sent in slices isn't returned to the pool: the slice written last may not be sent last.
    if (lentWith(bytes)?.length !== bytes.length) return this.#socket.write(bytes)
    return this.#socket.write(bytes, (error) => {
      if (!error) giveBack(bytes)
    })
  }

  /** Half-closes the connection after everything written was sent. */
  end(): void {
    this.#ending = true
    if (this.#pacer?.waiting !== true) this.#socket.end()
  }

  destroy(error?: Error | null): void {
    this.#release()
    this.#socket.destroy(error ?? undefined)
  }

  pause(): void {
    this.#wanted = false
    this.#flow()
  }

  resume(): void {
    this.#wanted = true
    this.#flow()
  }

  #onListener(name: string | symbol): void {
    if (name !== 'data' || this.#wanted !== undefined) return
    this.resume()
  }

  #onData(chunk: Buffer): void {
    const room = this.#tap?.room ?? chunk.length
    const portion = room < chunk.length ? chunk.subarray(0, room) : chunk
    const admitted = this.#guard?.admit(portion) ?? portion.length
    if (admitted < portion.length) this.#stopStranger()
    this.#tap?.flowed(admitted)
    if (this.#socket.destroyed) return
    if (admitted === chunk.length) {
      if (this.#tap?.waiting === true) this.#socket.pause()
      this.emit('data', chunk)
      return
    }
    // Return the rest to the socket, whose own limit bounds it. Pause first: a flowing socket would emit it at once.
    this.#socket.pause()
    this.#socket.unshift(chunk.subarray(admitted))
    if (admitted > 0) this.emit('data', chunk.subarray(0, admitted))
    this.#flow()
  }

  #stopStranger(): void {
    const refuse = (): void => this.destroy(new Error(`More than ${untrustedBytesMax} bytes from a stranger`))
    // The first frame is always part of the handshake, so an oversized one is never legitimate.
    if (this.#guard?.frames === 0) refuse()
    else this.#cancelEnd ??= attendedClock.after(trustMsMax, refuse)
  }

  #flow(): void {
    const flowing = this.#wanted === true && this.#tap?.waiting !== true && this.#cancelEnd === undefined
    if (flowing) this.#socket.resume()
    else this.#socket.pause()
  }

  #onDrain(): void {
    if (this.#pacer === undefined) this.#idle()
    else this.#pacer.drained()
  }

  /** Handles that everything written was passed on. */
  #idle(): void {
    this.emit('drain')
    if (this.#ending && this.#pacer?.waiting !== true) this.#socket.end()
  }

  #onError(error: Error): void {
    if (this.listenerCount('error') > 0) this.emit('error', error)
  }

  #onClose(): void {
    this.#release()
    this.emit('close')
  }

  /** Cancels all callbacks. */
  #release(): void {
    this.#cancelEnd?.()
    this.#tap?.stop()
    this.#pacer?.stop()
  }
}
