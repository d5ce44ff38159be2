import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import type { Assert } from 'brittle'
import type Hypercore from 'hypercore'
import { keyPair as newKeyPair } from 'hypercore-crypto'
import Hyperswarm from 'hyperswarm'
import { internalsOf } from '../../../src/log/hypercore/internals.ts'
import { rendezvousOf } from '../../../src/net/rendezvous.ts'
import { bytesOf } from '../../support/bytes.ts'
import { type Command, startClone, startShare } from '../../support/cli.ts'
import { hangMs } from '../../support/hang.ts'
import { type BentPeer, HostilePeer } from '../../support/hostile-peer.ts'
import { joinAsPeer } from '../../support/network.ts'
import { waitUntilEqual } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'
import { until } from '../../support/until.ts'

/** A shared folder and a hostile peer. */
async function openScene(t: Assert, fill: (source: string) => void) {
  const { addresses, text: bootstrap } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  fill(source)
  const writer = await startShare(t, source, { bootstrap })
  await writer.event('up-to-date')
  const peer = await HostilePeer.open(t, addresses, writer.key)
  return { source, mirror, writer, peer, bootstrap, addresses }
}

/** Waits until a command has at least this many peers at once. */
async function peersOf(command: Command, count: number): Promise<void> {
  await command.event('peer', ({ peers }) => peers >= count)
}

test('a peer that claims more blocks than exist delays nobody for long', async (t) => {
  const { source, mirror, writer, peer, bootstrap } = await openScene(t, (source) => {
    writeFileSync(join(source, 'file'), 'first')
  })
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await peersOf(reader, 2)
  await reader.event('in-sync')
  let claims = 0
  peer.bend(peer.entries, (each) => {
    const claim = () => {
      const honest = { uploading: true, downloading: true, hasManifest: true, allowPush: false }
      const length = 1_000_000 + claims++
      each.wireSync.send({ fork: 0, length, remoteLength: peer.entries.length, canUpgrade: true, ...honest })
    }
    each.onrequest = () => {}
    claim()
    const timer = setInterval(claim, 200)
    t.teardown(() => clearInterval(timer), { order: -1 })
  })
  await until(() => claims > 2, { what: 'the first claims' })
  const before = reader.events.length
  writeFileSync(join(source, 'file'), 'second')
  const published = await writer.event('published', ({ puts }) => puts > 0, writer.events.length)
  await reader.event('in-sync', ({ version }) => version >= published.version, before)
  t.is(readFileSync(join(mirror, 'file'), 'utf8'), 'second')
})

test('peers that accept requests and never answer block neither contents nor versions', async (t) => {
  const { source, mirror, writer, peer, addresses, bootstrap } = await openScene(t, (source) => {
    mkdirSync(join(source, 'd'))
    for (let i = 0; i < 40; i++) writeFileSync(join(source, `d/${i}`), bytesOf(300_000, i + 1))
  })
  const peers = [peer, await HostilePeer.open(t, addresses, writer.key)]
  for (const each of peers) {
    for (const core of [each.entries, each.content]) {
      each.bend(core, (bent) => {
        bent.onrequest = () => {}
      })
    }
  }
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await peersOf(reader, 3)
  await waitUntilEqual(t, source, mirror)
  writeFileSync(join(source, 'later'), 'later')
  await waitUntilEqual(t, source, mirror)
})

/** Resident memory of a command, in megabytes. */
function memoryMb({ pid }: Command): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

/** Abuses of the protocol, each run on each of the peer's channels. */
const floods: ReadonlyArray<[name: string, flood: (peer: BentPeer, core: Hypercore) => void]> = [
  ['an endless range', (peer) => peer.wireRange.send({ drop: false, start: 1, length: 2 ** 50 })],
  ['a range far away', (peer) => peer.wireRange.send({ drop: false, start: 2 ** 51, length: 1 })],
  ['a bitfield far away', (peer) => peer.wireBitfield.send({ start: 2 ** 51, bitfield: new Uint32Array(1024) })],
  ['ranges everywhere', (peer) => repeat(20_000, (i) => range(peer, 2 ** 25 * i))],
  ['an endless dropped range', (peer) => peer.wireRange.send({ drop: true, start: 0, length: 2 ** 50 })],
  ['everything', (peer) => peer.wireRange.send({ drop: false, start: 0, length: 2 ** 50 })],
  ['wants of everything', (peer) => repeat(20_000, (i) => want(peer, 2 ** 21 * i))],
  [
    'data that nobody requested',
    (peer) => repeat(1000, (i) => peer.wireData.send({ request: i, fork: 0, ...nothing, block: unasked(i) }))
  ],
  ['nonsensical requests', (peer) => repeat(5000, (i) => request(peer, i + 1, 2 ** 40 + i))],
  ['countless requests', (peer, core) => repeat(60_000, (i) => request(peer, i + 1, i % core.length))],
  ['countless forks', (peer) => repeat(5000, (i) => sync(peer, { fork: i + 1, length: 2 ** 40 }))]
]

const nothing = { block: null, hash: null, seek: null, upgrade: null, manifest: null }
const unasked = (index: number) => ({ index, nodes: [], value: Buffer.alloc(1000) })

function repeat(count: number, act: (i: number) => void): void {
  for (let i = 0; i < count; i++) act(i)
}

function range(peer: BentPeer, start: number): void {
  peer.wireRange.send({ drop: false, start, length: 1 })
}

function want(peer: BentPeer, start: number): void {
  peer.wireWant.send({ start, length: 2 ** 21, any: false })
}

function request(peer: BentPeer, id: number, index: number): void {
  const fields = { hash: null, seek: null, upgrade: null, manifest: false, priority: 0 }
  peer.wireRequest.send({ id, fork: 0, block: { index, nodes: 0 }, ...fields })
}

function sync(peer: BentPeer, { fork, length }: { readonly fork: number; readonly length: number }): void {
  const honest = { uploading: true, downloading: true, hasManifest: true, allowPush: false }
  peer.wireSync.send({ fork, length, remoteLength: 0, canUpgrade: true, ...honest })
}

test('whatever a peer sends, writer and reader stay running, small and in sync', async (t) => {
  const { source, mirror, writer, peer, bootstrap } = await openScene(t, (source) => {
    writeFileSync(join(source, 'file'), bytesOf(3_000_000))
  })
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await peersOf(reader, 2)
  await reader.event('in-sync')
  for (const [i, [name, flood]] of floods.entries()) {
    await until(() => peer.entries.peers.length > 0 || peer.content.peers.length > 0, {
      what: 'a connection'
    })
    for (const core of [peer.entries, peer.content]) {
      for (const each of [...internalsOf(core).peers]) {
        try {
          flood(each as BentPeer, core)
        } catch (error) {
          t.comment(`${name}: ${String(error)}`) // The connection is closed already.
        }
      }
    }
    writeFileSync(join(source, 'file'), `after ${name}`)
    await until(() => readFileSync(join(mirror, 'file'), 'utf8') === `after ${name}`, { what: name })
    t.ok(writer.running && reader.running, `${i}: ${name}`)
  }
  t.ok(memoryMb(writer) < 400, `the writer holds ${Math.round(memoryMb(writer))} MB`)
  t.ok(memoryMb(reader) < 400, `the reader holds ${Math.round(memoryMb(reader))} MB`)
})

/** Garbage that a peer may write into an authenticated stream. */
const garbage: ReadonlyArray<[name: string, write: (stream: Duplex) => void]> = [
  ['nothing', () => {}],
  ['noise', (stream) => repeat(200, (i) => stream.write(bytesOf(1 + ((i * 37) % 2000), i + 1)))],
  ['large frames', (stream) => repeat(20, (i) => stream.write(bytesOf(8_000_000, i + 1)))],
  ['a batch within a batch', (stream) => stream.write(Buffer.concat([Buffer.of(0, 0, 0), Buffer.alloc(100_000, 1)]))],
  ['countless channels', (stream) => repeat(20_000, (i) => stream.write(channel(i, bytesOf(32, i + 1))))],
  ['channels of one name', (stream) => repeat(5000, (i) => stream.write(channel(i, Buffer.alloc(32, 7))))],
  [
    'messages on channels that are not open',
    (stream) => repeat(20_000, (i) => stream.write(Buffer.of(i % 250, 3, 1, 2)))
  ]
]

/** A request to open a channel, as Protomux reads it. */
function channel(i: number, id: Buffer): Buffer {
  const name = Buffer.from('hypercore/alpha')
  const number = Buffer.alloc(3, 0xfd)
  number.writeUInt16LE(i + 1, 1)
  return Buffer.concat([
    Buffer.of(0, 1),
    number,
    Buffer.of(name.length),
    name,
    Buffer.of(1, id.length),
    id,
    Buffer.alloc(40)
  ])
}

/** A kind of garbage, and how many connections have received it so far. */
interface Delivery {
  readonly name: string
  count: number
}

type Scene = Awaited<ReturnType<typeof openScene>>

const senders: ReadonlyArray<[name: string, deliver: (t: Assert, scene: Scene) => Promise<readonly Delivery[]>]> = [
  [
    'strangers who found the topic',
    async (t, { peer, addresses }) =>
      garbage.map(([name, write]) => {
        const delivery = { name, count: 0 }
        const stranger = new Hyperswarm({ keyPair: newKeyPair(), bootstrap: addresses })
        t.teardown(() => stranger.destroy())
        stranger.on('connection', (stream: Duplex) => {
          stream.on('error', () => {})
          delivery.count++
          write(stream)
        })
        const { topic } = rendezvousOf(peer.entries.key)
        stranger.join(topic, { server: false, client: true })
        return delivery
      })
  ],
  [
    'peers who have the key',
    async (t, { peer, addresses }) =>
      Promise.all(
        garbage.map(async ([name, write]) => {
          const delivery = { name, count: 0 }
          await joinAsPeer(t, {
            secret: peer.entries.key,
            bootstrap: addresses,
            onCarrier: (stream) => {
              delivery.count++
              write(stream)
            }
          })
          return delivery
        })
      )
  ]
]

for (const [who, deliver] of senders) {
  test(`${who} and send garbage are dropped, and an honest pair keeps working`, async (t) => {
    const scene = await openScene(t, (source) => {
      writeFileSync(join(source, 'file'), bytesOf(3_000_000))
    })
    const { source, mirror, writer, bootstrap } = scene
    const reader = startClone(t, writer.key, mirror, { bootstrap })
    await reader.event('in-sync')
    const deliveries = await deliver(t, scene)
    let round = 0
    const isDelivered = () => deliveries.every(({ count }) => count >= 2)
    for (const endMs = performance.now() + hangMs; !isDelivered() && performance.now() < endMs; round++) {
      writeFileSync(join(source, 'file'), `round ${round}`)
      await until(() => readFileSync(join(mirror, 'file'), 'utf8') === `round ${round}`, { what: 'a sync' })
    }
    t.ok(isDelivered(), `all garbage was sent: ${deliveries.map(({ name, count }) => `${name} ${count}`).join(', ')}`)
    t.ok(round > 0, `${round} syncs meanwhile`)
    t.ok(writer.running && reader.running, 'both processes run')
    t.ok(memoryMb(writer) < 400, `the writer holds ${Math.round(memoryMb(writer))} MB`)
    t.ok(memoryMb(reader) < 400, `the reader holds ${Math.round(memoryMb(reader))} MB`)
    t.is(await writer.kill('SIGTERM'), 130)
    t.absent(/\n\s+at /.test(writer.stderr + reader.stderr), 'no stack trace')
  })
}
