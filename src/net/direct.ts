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
  /** The only address of this machine to listen at; all of them when left out. */
  readonly host?: string | undefined
}

/**
 * The first byte of a connection selects the Noise pattern, since one port serves both. A dialler that knows the peer's
 * key uses IK, which pins that key, and strangers get no answer; a dialler that knows only an address uses XX.
 */
const patterns = { IK: 1, XX: 2 } as const
const patternBytes = 1

/**
 * In attended time, which runs slower on a busy machine, so that honest peers get longer there. No further allowance
 * is made for lateness: a stranger who keeps the machine busy must not gain time by that.
 */
const handshakeMsMax = 5000
/** For a peer that this end dials. It may share this busy machine, so lateness extends the limit. */
const handshakeLimit: TimeLimit = { minMs: 5000, maxMs: 15_000 }
const connectLimit: TimeLimit = { minMs: 3000, maxMs: 15_000 }
/**
 * Bounds on connections that have proven nothing yet, in total and per address. Beyond them the oldest is closed: a
 * real peer needs milliseconds.
 */
const pendingMax = 64
const pendingPerHostMax = 8

/**
 * Concurrent dials. Anybody on a local network can announce hundreds of peers at addresses where nobody answers; beyond
 * this bound the oldest dial is aborted, for the same reason, and its peer retries later.
 */
const dialsMax = 64

/** Accepts and dials TCP connections. */
export class Direct {
  readonly #options: DirectOptions
  readonly #server: Server
  /** Connections that have proven nothing yet, oldest first, with their remote hosts. */
  readonly #pending = new Map<Socket, string>()
  readonly #sockets = new Set<Socket>()
  /** Dials in progress, oldest first. */
  readonly #dials = new Set<AbortController>()

  constructor(options: DirectOptions) {
    this.#options = options
    this.#server = createServer({ noDelay: true, pauseOnConnect: true }, (socket) => this.#onSocket(socket))
    // Failing to accept one connection doesn't affect the others.
    this.#server.on('error', () => {})
  }

  /** @throws {SyncError} PORT_IN_USE */
  async listen({ port = 0, host }: ListenOptions): Promise<void> {
    this.#server.listen({ port, ...(host === undefined ? {} : { host }) })
    try {
      await once(this.#server, 'listening')
    } catch (error) {
      const place = host === undefined ? `port ${port}` : `${host}, port ${port}`
      const message = `Can't listen on ${place}: ${messageOf(error)}. Give another --port or --listen`
      throw new SyncError('PORT_IN_USE', message, { cause: error })
    }
    this.#server.unref()
  }

  /** The listening port; 0 while not listening. */
  get port(): number {
    const address = this.#server.address()
    return address !== null && typeof address === 'object' ? address.port : 0
  }

  /** The only address it listens at; `undefined` when it listens at all addresses, or not at all. */
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
   * @param key the peer's public key; any peer is accepted when left out
   * @throws when no address answers, or none of those that answer is that peer
   */
  async dial(addresses: readonly Address[], key: Buffer | undefined, signal: AbortSignal): Promise<BoundedStream> {
    const dial = new AbortController()
    const abort = () => dial.abort(signal.reason)
    // `AbortSignal.any` would leak: a long-lived signal keeps a reference to every dial.
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
    let remaining = addresses
    for (;;) {
      const { socket, address } = await firstToConnect(remaining, signal)
      const abort = () => socket.destroy()
      signal.addEventListener('abort', abort)
      try {
        return await this.#initiate(socket, key)
      } catch (error) {
        socket.destroy()
        // Another machine may have taken that address over; try the remaining ones.
        remaining = remaining.filter((other) => other !== address)
        if (remaining.length === 0 || signal.aborted) throw error
      } finally {
        signal.removeEventListener('abort', abort)
      }
    }
  }

  async #initiate(socket: Socket, key: Buffer | undefined): Promise<BoundedStream> {
    this.#track(socket)
    const pattern = key === undefined ? 'XX' : 'IK'
    socket.write(Buffer.of(patterns[pattern]))
    const wire = new Wire(socket, this.#options.throttles)
    const { keyPair } = this.#options
    const pinned = key === undefined ? {} : { remotePublicKey: key }
    const stream = new SecretStream(true, wire, { pattern, keyPair, ...pinned })
    stream.on('error', () => {})
    sendFromLent(stream)
    await opened(stream, patienceMs(handshakeLimit, attendedClock.lateMs))
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
    this.#track(socket)
    this.#boundPending(socket)
    const cancelTimeout = attendedClock.after(handshakeMsMax, () => socket.destroy())
    socket.once('close', cancelTimeout)
    socket.once('data', (data: Buffer) => {
      socket.pause()
      const pattern = data[0] === patterns.IK ? 'IK' : data[0] === patterns.XX ? 'XX' : undefined
      if (pattern === undefined) {
        socket.destroy()
        return
      }
      socket.unshift(data.subarray(patternBytes))
      this.#respond(socket, pattern, cancelTimeout).catch(() => socket.destroy())
    })
  }

  async #respond(socket: Socket, pattern: 'IK' | 'XX', onOpen: () => void): Promise<void> {
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

  #track(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => {
      this.#sockets.delete(socket)
      this.#pending.delete(socket)
    })
  }

  #boundPending(socket: Socket): void {
    const host = plainHost(socket.remoteAddress ?? '')
    this.#pending.set(socket, host)
    const ofHost = [...this.#pending].filter(([, other]) => other === host)
    if (ofHost.length > pendingPerHostMax) ofHost[0]?.[0].destroy()
    else if (this.#pending.size > pendingMax) this.#pending.keys().next().value?.destroy()
  }
}

/** Resolves when the handshake is done. @throws when it fails or takes longer than `limitMs` of attended time */
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

/** Dials all addresses at once; keeps the first connection and closes the others. */
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
