import { once } from 'node:events'
import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net'
import SecretStream from '@hyperswarm/secret-stream'
import { type Assert, test } from 'brittle'
import { giveBack, lentWith, reunited } from '../../../src/buffer-pool.ts'
import { FrameReader, readFrames } from '../../../src/net/wire/frame-reader.ts'
import { sendFromLent } from '../../../src/net/wire/lent-frames.ts'
import { Wire } from '../../../src/net/wire/wire.ts'
import { bytesOf } from '../../support/bytes.ts'
import { until } from '../../support/until.ts'

const largeMin = 64 * 1024

function frame(length: number, seed: number): Buffer {
  return Buffer.concat([Buffer.from([length & 255, (length >> 8) & 255, length >> 16]), bytesOf(length, seed)])
}

/** Passes bytes to a reader, at most `portionMax` at a time. */
function feed(reader: FrameReader, bytes: Buffer, portionMax: number): void {
  for (let at = 0; at < bytes.length; ) {
    const room = reader.room()
    const portion = bytes.subarray(at, at + Math.min(room.length, portionMax))
    portion.copy(room)
    reader.onRead(portion.length)
    at += portion.length
  }
}

/** Collects the chunks of a reader, and separately those in lent memory, which it returns to the pool. */
function collect(reader: FrameReader): { readonly chunks: Buffer[]; readonly whole: Buffer[] } {
  const [chunks, whole]: [Buffer[], Buffer[]] = [[], []]
  reader.onChunk = (chunk) => {
    const copy = Buffer.from(chunk)
    chunks.push(copy)
    if (lentWith(chunk) === undefined) return
    whole.push(copy)
    reunited(chunk)
    giveBack(chunk)
  }
  return { chunks, whole }
}

/** The lengths of the frames in one test: small and large ones, with one byte and with none. */
const lengths = [10, 70_000, 0, 500_000, 1, 65_535, 65_536, 300_000, 300_000, 2_000_000, 3_000_000, 5, 80_000]

for (const portionMax of [1, 2, 3, 1000, 65_536, 5_000_000]) {
  test(`frames arrive as sent in portions of at most ${portionMax} bytes`, (t) => {
    const kept = portionMax < 1000 ? lengths.filter((length) => length <= 70_000) : lengths
    const frames = kept.map((length, i) => frame(length, i))
    for (const preamble of [0, 1, 40]) {
      const reader = new FrameReader(preamble)
      reader.trust(() => true)
      const { chunks, whole } = collect(reader)
      const all = Buffer.concat([bytesOf(preamble, 99), ...frames])
      feed(reader, all, portionMax)
      t.ok(Buffer.concat(chunks).equals(all))
      if (portionMax < 1000) continue
      const large = frames.filter(({ length }) => length >= largeMin + 3 && length < 2_100_000)
      // When a header arrives in two parts, its first part is already passed on, so that frame isn't whole.
      t.ok(whole.length >= large.length - 1, 'large frames arrive in one piece')
      for (const chunk of whole) if (!large.some((one) => one.equals(chunk))) t.fail('a whole chunk is not a frame')
    }
  })
}

test('a frame that a stranger announces gets no memory', (t) => {
  const reader = new FrameReader(0)
  const { chunks, whole } = collect(reader)
  feed(reader, frame(1_000_000, 1).subarray(0, 100), 100)
  t.is(chunks.length, 1)
  reader.trust(() => false)
  feed(reader, Buffer.concat([frame(1_000_000, 1).subarray(100), frame(200_000, 2)]), 5_000_000)
  t.is(whole.length, 0, 'nor does one on a paced connection')
})

test('a slow frame is passed on in parts', async (t) => {
  const reader = new FrameReader(0)
  reader.trust(() => true)
  const { chunks } = collect(reader)
  const bytes = frame(400_000, 1)
  feed(reader, bytes.subarray(0, 100_000), 100_000)
  t.is(chunks.length, 0)
  const startMs = performance.now()
  await until(() => performance.now() - startMs > 300, { what: 'some time' })
  feed(reader, bytes.subarray(100_000, 100_001), 1)
  t.is(chunks.length, 1)
  feed(reader, bytes.subarray(100_001), 300_000)
  feed(reader, frame(100_000, 2), 300_000)
  t.ok(Buffer.concat(chunks).equals(Buffer.concat([bytes, frame(100_000, 2)])))
})

/** Two ends of a TCP connection, read through a `FrameReader`. */
async function framedPair(t: Assert): Promise<readonly [near: Socket, far: Socket]> {
  const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const dialled = dial((server.address() as AddressInfo).port, '127.0.0.1')
  const [[accepted]] = (await Promise.all([once(server, 'connection'), once(dialled, 'connect')])) as [
    [Socket],
    unknown
  ]
  const ends = [readFrames(accepted, 0), readFrames(dialled, 0)] as const
  t.teardown(() => ends.forEach((end) => void end.destroy()))
  return ends
}

test('an encrypted stream works and ends over connections read through a FrameReader', async (t) => {
  const sockets = await framedPair(t)
  const wires = sockets.map((socket) => new Wire(socket))
  const [near, far] = wires.map((wire, i) => new SecretStream(i === 0, wire)) as [SecretStream, SecretStream]
  for (const stream of [near, far]) {
    stream.on('error', () => {})
    sendFromLent(stream)
  }
  await Promise.all([near.opened, far.opened])
  for (const wire of wires) wire.trust()

  const messages = Array.from({ length: 60 }, (_, i) => bytesOf(1 + ((i * 37_123) % 1_500_000), i))
  let count = 0
  far.on('data', (message: Buffer) => {
    if (!message.equals(messages[count++] as Buffer)) t.fail(`message ${count - 1}`)
  })
  // All at once, so that several frames are queued.
  for (const message of messages) {
    const room = near.alloc(message.length)
    room.set(message)
    near.write(room)
  }
  await until(() => count === messages.length, { what: 'all messages' })
  t.ok(sockets[1].bytesRead > 10_000_000)

  const closed = Promise.all([once(near, 'close'), once(far, 'close')])
  near.on('data', () => {})
  near.end()
  far.end()
  await closed
  t.pass()
})

test('a closed connection is not taken over', async (t) => {
  const [near, far] = await framedPair(t)
  near.destroy()
  far.resume()
  await once(far, 'close')
  t.exception(() => readFrames(far, 0), /closed/)
})
