import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, connect as dial, type Server, type Socket } from 'node:net'
import SecretStream from '@hyperswarm/secret-stream'
import { type Assert, test } from 'brittle'
import { Bucket } from '../../../src/net/wire/bucket.ts'
import { untrustedBytesMax } from '../../../src/net/wire/frame-guard.ts'
import { type Throttles, Wire } from '../../../src/net/wire/wire.ts'
import { withoutLongTimers } from '../../support/long-timers.ts'
import { until } from '../../support/until.ts'

interface Scene {
  readonly server: Server
  readonly port: number
  /** Connects two sockets, which the teardown destroys. */
  pair(): Promise<{ readonly near: Socket; readonly far: Socket }>
}

/** A server on loopback. */
async function openScene(t: Assert, options: { readonly allowHalfOpen?: boolean } = {}): Promise<Scene> {
  const server = createServer(options)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  t.teardown(() => server.close())
  return {
    server,
    port,
    async pair() {
      const far = dial({ port, host: '127.0.0.1', allowHalfOpen: options.allowHalfOpen ?? false })
      const [[near]] = (await Promise.all([once(server, 'connection'), once(far, 'connect')])) as [[Socket], unknown]
      far.on('error', () => {})
      t.teardown(() => {
        near.destroy()
        far.destroy()
      })
      return { near, far }
    }
  }
}

/** The names of a wire's final events, in order. */
function eventsOf(wire: Wire): string[] {
  const events: string[] = []
  for (const name of ['end', 'error', 'close']) wire.on(name, () => events.push(name))
  return events
}

/** Collects the data of a wire. */
function received(wire: Wire): { readonly bytes: () => Buffer } {
  const chunks: Buffer[] = []
  wire.on('data', (chunk: Buffer) => chunks.push(chunk))
  return { bytes: () => Buffer.concat(chunks) }
}

function header(length: number): Buffer {
  return Buffer.from([length & 255, (length >> 8) & 255, length >> 16])
}

function frame(length: number): Buffer {
  return Buffer.concat([header(length), Buffer.alloc(length, 7)])
}

/** Two ends of an encrypted stream over TCP, both trusted. */
async function encryptedPair(t: Assert, near: Throttles | undefined, far?: Throttles) {
  const sockets = await (await openScene(t)).pair()
  const wires = [new Wire(sockets.near, near), new Wire(sockets.far, far)] as const
  const streams = [new SecretStream(false, wires[0]), new SecretStream(true, wires[1])] as const
  for (const stream of streams) stream.on('error', () => {})
  await Promise.all(streams.map((stream) => stream.opened))
  for (const wire of wires) wire.trust()
  return { sockets, wires, streams }
}

test('an encrypted stream works and ends over wires as over sockets', async (t) => {
  const { streams, wires, sockets } = await encryptedPair(t, undefined)
  const events = eventsOf(wires[0])
  const message = randomBytes(5_000_000)
  const messages: Buffer[] = []
  streams[1].on('data', (bytes: Buffer) => messages.push(bytes))
  streams[0].write(message)
  await until(() => messages.length > 0, { what: 'the message' })
  t.ok(messages[0]?.equals(message), 'the message arrives whole')
  t.ok(wires[0].bytesTransmitted > message.length)
  t.ok(wires[1].bytesReceived > message.length)
  t.is(wires[0].remoteHost, '127.0.0.1')
  t.is(wires[0].localHost, '127.0.0.1')
  t.is(wires[0].remotePort, sockets.far.localPort)
  streams[0].on('data', () => {})
  streams[0].end()
  streams[1].end()
  await until(() => events.includes('close'), { what: 'the end' })
  t.alike(events, ['end', 'close'])
})

test('a dual-stack server shows IPv4 hosts in plain form', async (t) => {
  const server = createServer()
  server.listen(0, '::')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const far = dial((server.address() as AddressInfo).port, '127.0.0.1')
  const [near] = (await once(server, 'connection')) as [Socket]
  t.teardown(() => {
    near.destroy()
    far.destroy()
  })
  t.is(near.remoteAddress, '::ffff:127.0.0.1')
  const wire = new Wire(near)
  t.is(wire.remoteHost, '127.0.0.1')
  t.is(wire.localHost, '127.0.0.1')
})

test('no data is lost before the first listener or during a pause', async (t) => {
  const { near, far } = await (await openScene(t)).pair()
  const wire = new Wire(near)
  far.write(frame(10))
  await until(() => near.bytesRead > 0, { what: 'the bytes to arrive' })
  const { bytes } = received(wire)
  await until(() => bytes().length === 13, { what: 'the first frame' })
  wire.pause()
  wire.on('data', () => {})
  far.write(frame(20))
  await until(() => near.bytesRead === 36, { what: 'more bytes to arrive' })
  t.is(bytes().length, 13, 'another listener resumes nothing')
  wire.resume()
  await until(() => bytes().length === 36, { what: 'the second frame' })
})

test('a hundred strangers that announce a huge frame are disconnected at once, and take no memory', async (t) => {
  // Without the timer that ends an untrusted wire, only an immediate disconnection passes.
  withoutLongTimers(t)
  const { server, pair } = await openScene(t)
  const ends: string[][] = []
  server.on('connection', (socket: Socket) => {
    const wire = new Wire(socket)
    ends.push(eventsOf(wire))
    new SecretStream(false, wire).on('error', () => {})
  })
  const before = process.memoryUsage().rss
  const pairs = await Promise.all(Array.from({ length: 100 }, pair))
  for (const { far } of pairs) far.write(Buffer.concat([header(0xffffff), Buffer.alloc(1000)]))
  await until(() => pairs.every(({ near }) => near.destroyed), { what: 'all to be disconnected' })
  await until(() => ends.every((events) => events.includes('close')), { what: 'all to be closed' })
  t.alike(
    ends.filter((events) => events.join() !== 'error,close'),
    [],
    'each ended with an error, once'
  )
  t.ok(process.memoryUsage().rss - before < 100e6, 'memory is bounded')
})

for (const [name, bytes] of [
  ['a header that arrives byte by byte', [Buffer.from([0xff]), Buffer.from([0xff]), Buffer.from([0x7f])]],
  ['a browser request', [Buffer.from('GET / HTTP/1.1\r\nHost: nas\r\n\r\n')]],
  ['one byte too many', [header(untrustedBytesMax - 2)]]
] as const) {
  test(`a stranger is disconnected at once: ${name}`, async (t) => {
    withoutLongTimers(t)
    const { near, far } = await (await openScene(t)).pair()
    const wire = new Wire(near)
    const events = eventsOf(wire)
    const { bytes: seen } = received(wire)
    far.setNoDelay(true)
    let sent = 0
    for (const part of bytes) {
      far.write(part)
      sent += part.length
      await until(() => near.bytesRead === sent || near.destroyed, { what: 'it to arrive' })
    }
    await until(() => events.includes('close'), { what: 'the end' })
    t.alike(events, ['error', 'close'])
    t.ok(seen().length < 3, 'the header is not passed on')
  })
}

test('data beyond the bound stay in the socket until the peer is trusted', async (t) => {
  const { near, far } = await (await openScene(t)).pair()
  const wire = new Wire(near)
  const events = eventsOf(wire)
  const { bytes } = received(wire)
  const all = Buffer.concat([frame(50), frame(untrustedBytesMax), frame(5_000_000), frame(7)])
  far.write(all)
  await until(() => near.bytesRead > 20_000, { what: 'too much to arrive' })
  await until(() => near.isPaused(), { what: 'the socket to pause' })
  t.ok(bytes().length < 56, 'the header that is too large is not passed on')
  wire.resume()
  t.ok(near.isPaused(), 'resuming the wire does not resume the socket')
  t.ok(near.readableLength < 1_000_000, 'the buffer of the socket is bounded')
  t.alike(events, [])
  wire.trust()
  await until(() => bytes().length === all.length, { what: 'the rest' })
  t.ok(bytes().equals(all))
})

test('small frames count together towards the bound', async (t) => {
  const { near, far } = await (await openScene(t)).pair()
  const wire = new Wire(near)
  const { bytes } = received(wire)
  const all = Buffer.concat(Array.from({ length: 100 }, () => frame(97)))
  for (let at = 0; at < all.length; at += 30) far.write(all.subarray(at, at + 30))
  await until(() => near.bytesRead === all.length, { what: 'all to arrive' })
  await until(() => bytes().length === 4000, { what: 'the bytes within the bound' })
  wire.trust()
  await until(() => bytes().equals(all), { what: 'the rest' })
})

test('a peer that sends too much and is never trusted is disconnected', async (t) => {
  const { near, far } = await (await openScene(t)).pair()
  const wire = new Wire(near)
  const events = eventsOf(wire)
  const { bytes } = received(wire)
  far.write(Buffer.concat([frame(50), header(0xffffff)]))
  await until(() => events.includes('close'), { what: 'the end' })
  t.alike(events, ['error', 'close'])
  t.ok(bytes().length < 56)
})

test('a broken connection emits one error, which needs no listener', async (t) => {
  const { pair } = await openScene(t)
  const [heard, unheard] = [await pair(), await pair()]
  const wire = new Wire(heard.near)
  const events = eventsOf(wire)
  let closed = 0
  new Wire(unheard.near).on('close', () => closed++).resume()
  wire.resume()
  heard.far.resetAndDestroy()
  unheard.far.resetAndDestroy()
  await until(() => events.includes('close') && closed > 0, { what: 'both ends' })
  t.alike(events, ['error', 'close'])
  wire.destroy(new Error('again'))
  wire.write(Buffer.alloc(1))
  wire.end()
  t.alike(events, ['error', 'close'])
})

test('a peer that has ended its half still receives all queued data, then the end', async (t) => {
  const { near, far } = await (await openScene(t, { allowHalfOpen: true })).pair()
  const wire = new Wire(near, { up: new Bucket(1_000_000), down: new Bucket() })
  const events = eventsOf(wire)
  wire.resume()
  let received = 0
  far.on('data', ({ length }) => {
    received += length
  })
  far.end()
  await until(() => events.includes('end'), { what: 'the end of the other half' })
  t.absent(wire.write(Buffer.alloc(500_000)), 'the data must wait')
  wire.end()
  await until(() => events.includes('close'), { what: 'the end' })
  t.is(received, 500_000)
  t.alike(events, ['end', 'close'])
})

test('a wire destroyed while waiting yields its turn to others, and leaves no timer', async (t) => {
  const { pair } = await openScene(t)
  const bucket = new Bucket(16_384)
  const [first, second] = [await pair(), await pair()]
  const wire = new Wire(first.near, { up: bucket, down: bucket })
  const events = eventsOf(wire)
  wire.write(Buffer.alloc(10_000_000))
  const other = new Wire(second.near, { up: bucket, down: bucket })
  let drained = false
  other.on('drain', () => {
    drained = true
  })
  t.absent(other.write(Buffer.alloc(20_000)), 'it waits too')
  wire.destroy()
  await until(() => events.includes('close'), { what: 'the end' })
  await until(() => drained, { what: 'the turn of the other wire' })
  t.alike(events, ['close'])
  t.is(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length, 0, 'no timer is left')
})
