import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import SecretStream from '@hyperswarm/secret-stream'
import type { Assert } from 'brittle'
import { keyPair as newKeyPair } from 'hypercore-crypto'
import ids from 'hypercore-id-encoding'
import Hyperswarm from 'hyperswarm'
import type { Address } from '../../src/net/address/address.ts'
import { rendezvousOf } from '../../src/net/rendezvous.ts'
import type { KeyPair } from '../../src/net/wire/key-pair.ts'
import { Wire } from '../../src/net/wire/wire.ts'
import { repeat } from './repeat.ts'
import { until } from './until.ts'

/** The target of an attack. The attack's own address differs from that of honest peers if loopback has more than one. */
export interface Target {
  readonly port: number
}

/** The action of one connection of an attack, as soon as it is open. */
export type Attack = (socket: Socket) => void

/** Connections of one attack, and how long the other end kept them. */
export interface Siege {
  /** Number of connections open now. */
  readonly open: number
  /** Number of connections opened so far. */
  readonly opened: number
  /** The longest lifetime of a closed connection, in milliseconds. */
  readonly longestMs: number
}

const host = '127.0.0.1'
const attackerHost = process.platform === 'linux' ? '127.0.0.9' : host
/** Connections opened at once: more would wait in the system's queue. */
const atOnce = 50

/** Opens `count` connections, which stay until the other end closes them. Resolves when all are open. */
export async function besiege(t: Assert, { port }: Target, count: number, attack: Attack): Promise<Siege> {
  const sockets = new Set<Socket>()
  const siege = { open: 0, opened: 0, longestMs: 0 }
  t.teardown(
    () => {
      for (const socket of sockets) socket.destroy()
    },
    { order: -1 }
  )
  const one = async () => {
    const socket = connect({ host, port, localAddress: attackerHost, noDelay: true })
    sockets.add(socket)
    socket.on('error', () => {})
    const closed = once(socket, 'close')
    closed.catch(() => {})
    await Promise.race([once(socket, 'connect'), closed])
    if (socket.destroyed) return
    const startMs = performance.now()
    siege.open++
    siege.opened++
    socket.once('close', () => {
      siege.open--
      siege.longestMs = Math.max(siege.longestMs, performance.now() - startMs)
    })
    // Otherwise the end of the connection goes unnoticed.
    socket.resume()
    attack(socket)
  }
  for (let made = 0; made < count; made += atOnce) {
    await Promise.all(Array.from({ length: Math.min(atOnce, count - made) }, one))
  }
  return siege
}

/** The first byte of a connection: it selects the handshake pattern. */
const [ik, xx] = [1, 2]

/** Attacks by a stranger before the end of the handshake. */
export const earlyAttacks: ReadonlyArray<[name: string, count: number, attack: Attack]> = [
  ['that send nothing', 1000, () => {}],
  ['that send garbage', 1000, (socket) => socket.write(randomBytes(1 + Math.floor(Math.random() * 20_000)))],
  ['that announce a frame of 16 MB, IK', 50, announce(ik)],
  ['that announce a frame of 16 MB, XX', 50, announce(xx)],
  ['that send a byte a second', 100, dribble]
]

function announce(pattern: number): Attack {
  return (socket) => {
    socket.write(Buffer.of(pattern, 0xff, 0xff, 0xff))
    socket.write(Buffer.alloc(60_000, 1))
  }
}

function dribble(socket: Socket): void {
  const bytes = [xx, 32, 0, 0]
  const timer = setInterval(() => socket.write(Buffer.of(bytes.shift() ?? 7)), 1000)
  socket.once('close', () => clearInterval(timer))
}

/** Completes the handshake without knowing the key, and then acts. */
function afterHandshake(act: LateAct): Attack {
  return (socket) => {
    socket.write(Buffer.of(xx))
    const wire = new Wire(socket)
    wire.trust()
    const stream = new SecretStream(true, wire, { pattern: 'XX', keyPair: newKeyPair() })
    stream.on('error', () => {})
    stream.once('close', () => socket.destroy())
    stream.resume()
    void stream.opened.then((isOpen) => isOpen && act(stream, socket))
  }
}

/** @param raw the connection beneath the stream */
type LateAct = (stream: SecretStream, raw: { write(bytes: Buffer): unknown }) => void

/** Attacks by a stranger after the handshake. */
export const lateAttacks: ReadonlyArray<[name: string, act: LateAct]> = [
  ['that send nothing after the handshake', () => {}],
  ['that send only keep-alives', keepAlive],
  ['that prove nothing', (stream) => stream.write(openChannel(1, 'p2psync/link/1', Buffer.alloc(0), randomBytes(32)))],
  ['that announce a frame of 16 MB after the handshake', (_, raw) => raw.write(Buffer.of(0xff, 0xff, 0xff, 1))],
  ['that send frames of 16 MB', (stream) => stream.write(Buffer.alloc(2 ** 24 - 100, 1))],
  ['that open countless channels', (stream) => repeat(20_000, (i) => stream.write(hypercore(i)))],
  ['that open channels, few at a time', (stream) => repeat(20, (i) => stream.write(hypercore(i)))]
]

export const lateAttacksOverTcp = lateAttacks.map(([name, act]) => [name, 100, afterHandshake(act)] as const)

function keepAlive(stream: SecretStream): void {
  const timer = setInterval(() => stream.write(Buffer.alloc(0)), 500)
  stream.once('close', () => clearInterval(timer))
}

function hypercore(i: number): Buffer {
  return openChannel(i + 1, 'hypercore/alpha', randomBytes(32), Buffer.alloc(40))
}

/** A request to open a channel, as Protomux reads it. */
function openChannel(id: number, protocol: string, channelId: Buffer, handshake: Buffer): Buffer {
  const name = Buffer.from(protocol)
  const number = Buffer.alloc(3, 0xfd)
  number.writeUInt16LE(id, 1)
  const idBytes = channelId.length === 0 ? Buffer.of(0) : Buffer.concat([Buffer.of(channelId.length), channelId])
  return Buffer.concat([Buffer.of(0, 1), number, Buffer.of(name.length), name, idBytes, handshake])
}

/** The part of HyperDHT that an attack through it uses. */
interface Dht {
  lookup(topic: Buffer): AsyncIterable<{ readonly peers: readonly { readonly publicKey: Buffer }[] }>
  connect(key: Buffer, options: { readonly keyPair: KeyPair }): SecretStream
}

/** A peer of a folder, reachable through a DHT. */
export interface DhtTarget {
  readonly dht: Dht
  readonly key: Buffer
}

/** Finds a peer of a folder by its topic alone, which is all that an operator of DHT nodes learns. */
export async function findThroughDht(t: Assert, bootstrap: readonly Address[], folder: string): Promise<DhtTarget> {
  const swarm = new Hyperswarm({ keyPair: newKeyPair(), bootstrap })
  t.teardown(() => swarm.destroy())
  const dht = swarm.dht as unknown as Dht
  const { topic } = rendezvousOf(ids.decode(folder))
  const key = await until(
    async () => {
      for await (const { peers } of dht.lookup(topic)) for (const { publicKey } of peers) return publicKey
      return undefined
    },
    { what: 'a peer in the DHT' }
  )
  return { dht, key }
}

/** Opens `count` connections through the DHT, each with its own key pair. Resolves when all are open or have failed. */
export async function besiegeThroughDht(
  t: Assert,
  { dht, key }: DhtTarget,
  count: number,
  act: LateAct
): Promise<Siege> {
  const siege = { open: 0, opened: 0, longestMs: 0 }
  const one = async () => {
    const stream = dht.connect(key, { keyPair: newKeyPair() })
    t.teardown(() => stream.destroy(), { order: -1 })
    stream.on('error', () => {})
    stream.resume()
    if (!(await stream.opened)) return
    const startMs = performance.now()
    siege.open++
    siege.opened++
    stream.once('close', () => {
      siege.open--
      siege.longestMs = Math.max(siege.longestMs, performance.now() - startMs)
    })
    act(stream, stream.rawStream)
  }
  for (let made = 0; made < count; made += 10) await Promise.all(Array.from({ length: 10 }, one))
  return siege
}

/** Resident memory of a process, in megabytes. */
export function memoryMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}
