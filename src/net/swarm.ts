import type { Duplex } from 'node:stream'
import Hyperswarm, { type Connection, type Discovery } from 'hyperswarm'

/** An authenticated, encrypted connection to a peer. */
export interface PeerStream {
  readonly stream: Duplex
  /** The peer's public key, in hexadecimal. */
  readonly peer: string
  /** Where the peer was reached, `host:port`. */
  readonly address: string
  /** Bytes received and sent so far, as far as the transport counts them. */
  readonly traffic: () => { readonly received: number; readonly sent: number }
}

export interface SwarmOptions {
  readonly keyPair: { readonly publicKey: Buffer; readonly secretKey: Buffer }
  /** The DHT's first nodes; the public DHT when left out. */
  readonly bootstrap?: readonly { readonly host: string; readonly port: number }[] | undefined
  readonly onPeer: (peer: PeerStream) => void
}

/** Without a peer, the DHT is asked again this often: Hyperswarm alone would wait for ten minutes. */
const lonelyRefreshMs = 10_000
const keepAliveMs = 5000
/** How long a leave-taking from the DHT may hold up the end. */
const closeMsMax = 3000

/** Finds the peers of a topic through a Hyperswarm, and is found. */
export class Swarm {
  readonly #swarm: Hyperswarm
  #discovery: Discovery | undefined
  #timer: NodeJS.Timeout | undefined

  constructor({ keyPair, bootstrap, onPeer }: SwarmOptions) {
    this.#swarm = new Hyperswarm({ keyPair, ...(bootstrap === undefined ? {} : { bootstrap }) })
    this.#swarm.on('connection', (connection: Connection) => {
      // A connection that breaks is normal; the swarm dials again.
      connection.on('error', () => {})
      connection.setKeepAlive(keepAliveMs)
      onPeer(describe(connection))
    })
  }

  /** Joins a topic as one who serves and one who looks for others. Doesn't wait for either. */
  join(topic: Buffer): void {
    this.#discovery = this.#swarm.join(topic, { server: true, client: true })
    this.#timer = setInterval(() => this.#refreshWhenLonely(), lonelyRefreshMs)
  }

  /** Resolves when the DHT was asked once, also when nothing came of it. */
  async asked(): Promise<void> {
    await this.#discovery?.flushed()
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    let deadline: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      deadline = setTimeout(resolve, closeMsMax)
    })
    await Promise.race([this.#swarm.destroy(), late])
    clearTimeout(deadline)
  }

  #refreshWhenLonely(): void {
    if (this.#swarm.connections.size > 0) return
    // Both: the one announces us anew, the other looks for others. Offline they fail, and are tried again.
    this.#swarm.server.refresh()
    this.#discovery?.refresh().catch(() => {})
  }
}

function describe(connection: Connection): PeerStream {
  const { rawStream, remotePublicKey } = connection
  return {
    stream: connection,
    peer: remotePublicKey.toString('hex'),
    address: `${rawStream.remoteHost ?? '?'}:${rawStream.remotePort ?? '?'}`,
    traffic: () => ({ received: rawStream.bytesReceived ?? 0, sent: rawStream.bytesTransmitted ?? 0 })
  }
}
