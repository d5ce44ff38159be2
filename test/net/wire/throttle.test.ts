import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net'
import SecretStream from '@hyperswarm/secret-stream'
import type { Assert } from 'brittle'
import DHT from 'hyperdht'
import Hyperswarm, { type Connection, type ConnectionInside } from 'hyperswarm'
import { Bucket } from '../../../src/net/wire/bucket.ts'
import { throttle } from '../../../src/net/wire/throttle.ts'
import { type Throttles, Wire } from '../../../src/net/wire/wire.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'
import { until } from '../../support/until.ts'

interface End {
  readonly rawStream: { readonly bytesReceived?: number | undefined; readonly bytesTransmitted?: number | undefined }
  write(message: Buffer): boolean
  on<T>(name: string, listener: (value: T) => void): unknown
  end(): unknown
  destroy(): unknown
  setKeepAlive(ms: number): void
  setTimeout(ms: number): void
}

type Connect = (t: Assert, near: Throttles, far: Throttles) => Promise<{ readonly near: End; readonly far: End }>

async function connectTcp(t: Assert, near: Throttles, far: Throttles) {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const dialled = dial((server.address() as AddressInfo).port, '127.0.0.1')
  const [accepted] = (await once(server, 'connection')) as [Socket]
  server.close()
  const wires = { near: new Wire(accepted, near), far: new Wire(dialled, far) }
  const streams = { near: new SecretStream(false, wires.near), far: new SecretStream(true, wires.far) }
  for (const stream of [streams.near, streams.far]) {
    stream.on('error', () => {})
    t.teardown(() => stream.destroy())
    await stream.opened
  }
  wires.near.trust()
  wires.far.trust()
  return streams
}

async function connectUdx(t: Assert, near: Throttles, far: Throttles) {
  const { addresses: bootstrap } = await startTestnet(t)
  const topic = randomBytes(32)
  const join = (throttles: Throttles): Promise<Connection> => {
    const swarm = new Hyperswarm({ keyPair: DHT.keyPair(randomBytes(32)), bootstrap })
    t.teardown(() => swarm.destroy())
    return new Promise((resolve) => {
      swarm.on('connection', (connection: Connection) => {
        connection.on('error', () => {})
        throttle(connection, throttles)
        resolve(connection)
      })
      listening = listening.then(() => swarm.join(topic, { server: true, client: true }).flushed())
    })
  }
  let listening: Promise<unknown> = Promise.resolve()
  const [first, second] = await Promise.all([join(near), join(far)])
  // Wait for the handshake's last packets, so that later data don't share them.
  for (const { rawStream } of [first, second]) {
    await until(() => (rawStream.bytesReceived ?? 0) > 0 && (rawStream.bytesTransmitted ?? 0) > 0, { what: 'packets' })
  }
  return { near: first, far: second }
}

const unlimited = Number.POSITIVE_INFINITY

function limits(up: number, down = unlimited): Throttles {
  return { up: new Bucket(up), down: new Bucket(down) }
}

/** Collects the received messages. */
function receive(end: End): { readonly messages: Buffer[]; readonly bytes: () => number } {
  const messages: Buffer[] = []
  end.on('data', (message: Buffer) => messages.push(message))
  return { messages, bytes: () => messages.reduce((sum, { length }) => sum + length, 0) }
}

/** Sends messages from near to far. @returns the duration in milliseconds */
async function sendMs({ near, far }: { near: End; far: End }, messages: readonly Buffer[]): Promise<number> {
  const received = receive(far)
  near.on('data', () => {})
  const startMs = performance.now()
  for (const message of messages) near.write(message)
  await until(() => received.messages.length === messages.length, { what: 'all messages' })
  const ms = performance.now() - startMs
  if (!Buffer.concat(received.messages).equals(Buffer.concat(messages))) throw new Error('The messages changed')
  return ms
}

const megabyte = [10, 500_000, 1, 489_989, 10_000].map((length) => randomBytes(length))

function testLimits(transport: string, connect: Connect): void {
  test(`${transport}: traffic keeps to the limits of both ends`, async (t) => {
    for (const [limiting, near, far] of [
      ['the sender', limits(524_288), limits(unlimited)],
      ['the receiver', limits(unlimited), limits(unlimited, 524_288)],
      ['both', limits(786_432), limits(unlimited, 524_288)]
    ] as const) {
      const ms = await sendMs(await connect(t, near, far), megabyte)
      t.ok(ms >= 1500, `${ms} ms limited by ${limiting}`)
    }
  })

  test(`${transport}: a limit takes effect and is lifted while data flow`, async (t) => {
    const [near, far] = [limits(unlimited), limits(unlimited)]
    const streams = await connect(t, near, far)
    await sendMs(streams, megabyte)
    const received = receive(streams.far)
    for (const bucket of [near.up, far.down]) {
      bucket.rate = 32_768
      const before = received.bytes()
      // 300 s at this rate.
      for (let i = 0; i < 100; i++) streams.near.write(randomBytes(100_000))
      await until(() => received.bytes() > before, { what: 'the first message' })
      t.ok(received.bytes() - before < 2_000_000, 'the limit slows the stream')
      bucket.rate = unlimited
      await until(() => received.bytes() === before + 10_000_000, { what: 'the rest' })
      bucket.rate = unlimited
    }
  })

  test(`${transport}: a message that takes far longer than the timeout arrives`, async (t) => {
    const sendSlowly = async (limiting: string, near: Throttles, far: Throttles): Promise<void> => {
      const streams = await connect(t, near, far)
      const failures: Error[] = []
      for (const end of [streams.near, streams.far]) {
        end.setKeepAlive(1000)
        end.setTimeout(5000)
        end.on('error', (error: Error) => failures.push(error))
      }
      await sendMs(streams, [randomBytes(10)])
      const ms = await sendMs(streams, [randomBytes(250_000)]).catch((error: Error) => failures.push(error))
      t.alike(failures, [], `limited by ${limiting}`)
      t.ok(ms > 6000, `${ms} ms`)
    }
    await Promise.all([
      sendSlowly('the sender', limits(16_384), limits(unlimited)),
      sendSlowly('the receiver', limits(unlimited), limits(unlimited, 16_384)),
      sendSlowly('both', limits(16_384), limits(16_384, 20_000))
    ])
  })

  test(`${transport}: a stream destroyed while waiting closes at once, and others continue`, async (t) => {
    const shared = limits(16_384)
    const [first, second] = [await connect(t, shared, limits(unlimited)), await connect(t, shared, limits(unlimited))]
    let closed = false
    first.near.on('close', () => {
      closed = true
    })
    const before = first.near.rawStream.bytesTransmitted ?? 0
    first.near.write(randomBytes(5_000_000))
    await until(() => (first.near.rawStream.bytesTransmitted ?? 0) > before + 10_000, { what: 'the first slices' })
    const sent = sendMs(second, [randomBytes(10_000)])
    first.near.destroy()
    await until(() => closed, { what: 'the first stream to close' })
    t.ok((await sent) > 0)
  })
}

testLimits('TCP', connectTcp)
testLimits('UDX', connectUdx)

test('streams share a limit fairly, whatever the size of their messages', async (t) => {
  const shared = limits(524_288)
  const sizes = [1000, 50_000, 2_000_000]
  const pairs = await Promise.all(sizes.map(() => connectTcp(t, shared, limits(unlimited))))
  const wires = pairs.map(({ far }) => (far as SecretStream).rawStream as Wire)
  for (const [i, { near, far }] of pairs.entries()) {
    far.on('data', () => {})
    const fill = (): void => {
      while (near.write(Buffer.alloc(sizes[i] as number)));
    }
    near.on('drain', fill)
    fill()
  }
  await until(() => wires.some(({ bytesReceived }) => bytesReceived > 1_000_000), { what: 'a megabyte' })
  const bytes = wires.map(({ bytesReceived }) => bytesReceived)
  t.ok(Math.min(...bytes) > Math.max(...bytes) / 2, bytes.join())
})

test('secret-stream still has the private members that a throttle uses', async (t) => {
  const { near } = await connectTcp(t, limits(unlimited), limits(unlimited))
  const inside = near as unknown as ConnectionInside
  t.is(typeof inside._write, 'function')
  t.is(inside._write.length, 2)
  t.is(inside._rawStream as unknown, inside.rawStream)
  t.is(inside._timeoutTimer, null)
  near.setTimeout(1000)
  t.is(typeof inside._timeoutTimer?.refresh, 'function')
  const frames: Buffer[] = []
  inside._rawStream = {
    write: (bytes) => frames.push(bytes) > 0,
    end: () => frames.push(Buffer.from('end')),
    on: () => {}
  }
  near.write(Buffer.alloc(100))
  near.end()
  await until(() => frames.length === 2, { what: 'a frame and the end' })
  t.is(frames[0]?.readUIntLE(0, 3), 100 + 17)
})
