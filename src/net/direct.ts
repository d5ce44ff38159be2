import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import SecretStream from '@hyperswarm/secret-stream'
import { attendedClock } from '../attended-clock.ts'
import { messageOf, SyncError } from '../errors.ts'
import { patienceMs, type TimeLimit } from '../lateness.ts'
import { type Address, plainHost } from './address/address.ts'
import type { BoundedStream } from './wire/bounded-stream.ts'
import { readFrames } from './wire/frame-reader.ts'
import type { KeyPair } from './wire/key-pair.ts'
import { sendFromLent } from './wire/lent-frames.ts'
import { type Throttles, Wire } from './wire/wire.ts'

export interface DirectOptions {
  readonly keyPair: KeyPair
  readonly throttles: Throttles
  readonly onStream: (stream: BoundedStream) => void
}

export interface ListenOptions {
  readonly port?: number | undefined
  /** One of this machine's addresses; all of them when left out. */
  readonly host?: string | undefined
}

/**
 * The first byte of a connection tells how it goes on: IK when the one who dials knows the other's key, so that it
 * is pinned and a stranger gets no answer; XX when it has an address only. One port can't tell them apart otherwise.
 */
const patterns = { IK: 1, XX: 2 } as const
const patternBytes = 1

/** Of attended time: on a busy machine others get longer, and a stranger who keeps it busy gains nothing on top. */
const handshakeMsMax = 5000
/** Whom we have dialled ourselves may share our machine. */
const greetLimit: TimeLimit = { minMs: 5000, maxMs: 15_000 }
const connectLimit: TimeLimit = { minMs: 3000, maxMs: 15_000 }
/** Connections that haven't proven anything yet, in all and of one address. Beyond it the oldest goes: real ones take milliseconds. */
const pendingMax = 64
const pendingPerHostMax = 8

/**
 * Peers that are dialled at once. Anybody on a local network can say that there are hundreds, at addresses where nobody
 * answers: beyond it the oldest attempt is given up, for the same reason, and is made again in its turn.
 */
const dialsMax = 64

/** Takes TCP connections, and makes them. */
export class Direct {
  readonly #options: DirectOptions
  readonly #server: Server
  /** Those that haven't proven anything yet, in the order of their coming. */
  readonly #pending = new Map<Socket, string>()
  readonly #sockets = new Set<Socket>()
  /** The attempts to reach a peer, in the order of their beginning. */
  readonly #dials = new Set<AbortController>()

  constructor(options: DirectOptions) {
    this.#options = options
    this.#server = createServer({ noDelay: true, pauseOnConnect: true }, (socket) => this.#onSocket(socket))
    // Of a connection that couldn't be taken; the others go on.
    this.#server.on('error', () => {})
  }

  /** @throws {SyncError} PORT_IN_USE */
  async listen({ port = 0, host }: ListenOptions): Promise<void> {
    this.#server.listen({ port, ...(host === undefined ? {} : { host }) })
    try {
      await once(this.#server, 'listening')
    } catch (error) {
      const where = host === undefined ? `port ${port}` : `${host}, port ${port}`
      const message = `Can't listen on ${where}: ${messageOf(error)}. Give another --port or --listen`
      throw new SyncError('PORT_IN_USE', message, { cause: error })
    }
    this.#server.unref()
  }

  /** Where it listens; 0 while it doesn't. */
  get port(): number {
    const address = this.#server.address()
    return address !== null && typeof address === 'object' ? address.port : 0
  }

  /** The one address at which it listens; `undefined` where it listens at all of them, or at none. */
  get host(): string | undefined {
    const address = this.#server.address()
    if (address === null || typeof address !== 'object') return undefined
    return ['::', '0.0.0.0'].includes(address.address) ? undefined : address.address
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    if (!this.#server.listening) return
    const closed = once(this.#server, 'close')
    this.#server.close()
    await closed
  }

  /**
   * Connects to a peer at the first of its addresses that answers.
   *
   * @param key the peer's public key; whoever answers when left out
   * @throws when none answers, or none as that peer
   */
  async dial(addresses: readonly Address[], key: Buffer | undefined, signal: AbortSignal): Promise<BoundedStream> {
    const dial = new AbortController()
    const abort = () => dial.abort(signal.reason)
    // Not by `AbortSignal.any`: a signal that lasts would remember every attempt.
    signal.addEventListener('abort', abort)
    this.#begin(dial)
    try {
      signal.throwIfAborted()
      return await this.#dial(addresses, key, dial.signal)
    } finally {
      this.#dials.delete(dial)
      signal.removeEventListener('abort', abort)
    }
  }

  #begin(dial: AbortController): void {
    const [oldest] = this.#dials
    if (oldest !== undefined && this.#dials.size >= dialsMax) {
      this.#dials.delete(oldest)
      oldest.abort()
    }
    this.#dials.add(dial)
  }

  async #dial(addresses: readonly Address[], key: Buffer | undefined, signal: AbortSignal): Promise<BoundedStream> {
    let left = addresses
    for (;;) {
      const { socket, address } = await firstToConnect(left, signal)
      const giveUp = () => socket.destroy()
      signal.addEventListener('abort', giveUp)
      try {
        return await this.#greet(socket, key)
      } catch (error) {
        socket.destroy()
        // Somebody else may have that address by now: the others may be right.
        left = left.filter((other) => other !== address)
        if (left.length === 0 || signal.aborted) throw error
      } finally {
        signal.removeEventListener('abort', giveUp)
      }
    }
  }

  async #greet(socket: Socket, key: Buffer | undefined): Promise<BoundedStream> {
    this.#keep(socket)
    const pattern = key === undefined ? 'XX' : 'IK'
    socket.write(Buffer.of(patterns[pattern]))
    const wire = new Wire(socket, this.#options.throttles)
    const { keyPair } = this.#options
    const pinned = key === undefined ? {} : { remotePublicKey: key }
    const stream = new SecretStream(true, wire, { pattern, keyPair, ...pinned })
    stream.on('error', () => {})
    sendFromLent(stream)
    await opened(stream, patienceMs(greetLimit, attendedClock.lateMs))
    return { stream, trust: () => wire.trust() }
  }

  #onSocket(accepted: Socket): void {
    let socket: Socket
    try {
      socket = readFrames(accepted, patternBytes)
    } catch {
      accepted.destroy()
      return
    }
    this.#keep(socket)
    this.#admit(socket)
    const cancelEnd = attendedClock.after(handshakeMsMax, () => socket.destroy())
    socket.once('close', cancelEnd)
    socket.once('data', (data: Buffer) => {
      socket.pause()
      const pattern = data[0] === patterns.IK ? 'IK' : data[0] === patterns.XX ? 'XX' : undefined
      if (pattern === undefined) {
        socket.destroy()
        return
      }
      socket.unshift(data.subarray(patternBytes))
      this.#answer(socket, pattern, cancelEnd).catch(() => socket.destroy())
    })
  }

  async #answer(socket: Socket, pattern: 'IK' | 'XX', onOpen: () => void): Promise<void> {
    const wire = new Wire(socket, this.#options.throttles)
    const stream = new SecretStream(false, wire, { pattern, keyPair: this.#options.keyPair })
    stream.on('error', () => {})
    sendFromLent(stream)
    await opened(stream, handshakeMsMax)
    onOpen()
    const trust = () => {
      this.#pending.delete(socket)
      wire.trust()
    }
    this.#options.onStream({ stream, trust })
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => {
      this.#sockets.delete(socket)
      this.#pending.delete(socket)
    })
  }

  #admit(socket: Socket): void {
    const host = plainHost(socket.remoteAddress ?? '')
    this.#pending.set(socket, host)
    const ofHost = [...this.#pending].filter(([, other]) => other === host)
    if (ofHost.length > pendingPerHostMax) ofHost[0]?.[0].destroy()
    else if (this.#pending.size > pendingMax) this.#pending.keys().next().value?.destroy()
  }
}

/** Resolves when the handshake has come to its end. */
async function opened(stream: SecretStream, limitMs: number): Promise<void> {
  let cancel = () => {}
  const late = new Promise<boolean>((resolve) => {
    cancel = attendedClock.after(limitMs, () => resolve(false))
  })
  const isOpen = await Promise.race([stream.opened, late])
  cancel()
  if (isOpen && !stream.destroyed) return
  stream.destroy()
  throw new Error('The handshake failed')
}

/** All are tried at once; one answers first, and the others are left. */
async function firstToConnect(
  addresses: readonly Address[],
  signal: AbortSignal
): Promise<{ readonly socket: Socket; readonly address: Address }> {
  const attempts = addresses.map((address) => ({ address, socket: connect({ ...address, noDelay: true }) }))
  for (const { socket } of attempts) socket.on('error', () => {})
  const late = new AbortController()
  const cancel = attendedClock.after(patienceMs(connectLimit, attendedClock.lateMs), () => late.abort())
  const deadline = AbortSignal.any([signal, late.signal])
  try {
    const winner = await Promise.any(
      attempts.map(async (attempt) => {
        await once(attempt.socket, 'connect', { signal: deadline })
        return attempt
      })
    )
    for (const { socket } of attempts) if (socket !== winner.socket) socket.destroy()
    return { ...winner, socket: readFrames(winner.socket, 0) }
  } catch (error) {
    for (const { socket } of attempts) socket.destroy()
    throw error
  } finally {
    cancel()
  }
}
