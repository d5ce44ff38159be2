import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { attendedClock } from '../../attended-clock.ts'
import { giveBack, lentWith } from '../../buffer-pool.ts'
import { plainHost } from '../address/address.ts'
import { type Bucket, Tap } from './bucket.ts'
import { FrameGuard, untrustedBytesMax } from './frame-guard.ts'
import { trustFrames } from './frame-reader.ts'
import { Pacer } from './pacer.ts'

/** Limits that streams share. */
export interface Throttles {
  readonly up: Bucket
  readonly down: Bucket
}

/** How long what came too early for a stranger waits for the end of the handshake. */
const trustMsMax = 5000

/**
 * A TCP connection as the raw stream of a secret-stream. Until `trust()` a peer can send no more than a handshake
 * takes: a first frame that is too large ends the wire; a later one may be of a peer that is through with its own part,
 * so it stays unread until `trust()`, which must come soon.
 *
 * Emits `data`, `drain`, `end`, `error` and `close` as a socket does; an `error` without a listener is let go, as
 * `close` follows. Data flow from when somebody first listens to them.
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
  /** Whether data are wanted by who uses the wire; unknown at first. */
  #wanted: boolean | undefined
  /** Cancels the end of a wire whose data wait for trust. */
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

  /** The peer has proved who it is: from now on it may send what it likes. */
  trust(): void {
    this.#guard = undefined
    trustFrames(this.#socket, () => this.#throttles?.down.limited !== true)
    this.#cancelEnd?.()
    this.#cancelEnd = undefined
    this.#flow()
  }

  /** @returns false when nothing more should come until `drain` */
  write(bytes: Buffer): boolean {
    return this.#pacer?.write(bytes) ?? this.#send(bytes)
  }

  #send(bytes: Buffer): boolean {
    // Of what goes in slices, the last one may not be the last to go.
    if (lentWith(bytes)?.length !== bytes.length) return this.#socket.write(bytes)
    return this.#socket.write(bytes, (error) => {
      if (!error) giveBack(bytes)
    })
  }

  /** Says that nothing more will come, after all that was written. */
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
    // What isn't for now goes back to the socket, whose own limit bounds it. A socket that flows would give it out at once.
    this.#socket.pause()
    this.#socket.unshift(chunk.subarray(admitted))
    if (admitted > 0) this.emit('data', chunk.subarray(0, admitted))
    this.#flow()
  }

  #stopStranger(): void {
    const refuse = (): void => this.destroy(new Error(`More than ${untrustedBytesMax} bytes from a stranger`))
    // No handshake is over before its first frame.
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

  /** All that was written has gone. */
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

  /** Leaves nothing behind that would call the wire. */
  #release(): void {
    this.#cancelEnd?.()
    this.#tap?.stop()
    this.#pacer?.stop()
  }
}
