import { connect, createServer, type Socket } from 'node:net'
import type { Assert } from 'brittle'
import type { Address } from '../../src/net/address/address.ts'

/** Accepts TCP connections on loopback, and forwards them only after `letGo`. */
export class SlowRelay {
  /** The destination; set it before `letGo`. */
  to: Address = { host: '127.0.0.1', port: 0 }
  readonly #server = createServer((socket) => this.#take(socket))
  readonly #sockets = new Set<Socket>()
  readonly #onward = new Set<Socket>()

  static async open(t: Assert): Promise<SlowRelay> {
    const relay = new SlowRelay()
    await new Promise<void>((resolve) => relay.#server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => {
      for (const socket of relay.#sockets) socket.destroy()
      relay.#server.close()
    })
    return relay
  }

  get address(): Address {
    const address = this.#server.address()
    return { host: '127.0.0.1', port: typeof address === 'object' ? (address?.port ?? 0) : 0 }
  }

  /** How many connections there are. */
  get waiting(): number {
    return this.#sockets.size
  }

  letGo(): void {
    for (const socket of this.#sockets) {
      const onward = connect(this.to)
      this.#onward.add(onward)
      onward.on('error', () => socket.destroy())
      socket.once('close', () => onward.destroy())
      onward.once('close', () => {
        this.#onward.delete(onward)
        socket.destroy()
      })
      socket.pipe(onward).pipe(socket)
    }
  }

  /** Stops forwarding in both directions, and closes nothing. */
  freeze(): void {
    for (const socket of [...this.#sockets, ...this.#onward]) {
      socket.unpipe()
      socket.pause()
    }
  }

  #take(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => this.#sockets.delete(socket))
  }
}
