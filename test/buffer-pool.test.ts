import { test } from 'brittle'
import { BufferPool, giveBack, lentWith, reunited } from '../src/buffer-pool.ts'

const kilobyte = 1024

test('what is given back is lent again', (t) => {
  const memory = new BufferPool({ bytesMax: 64 * kilobyte })
  const first = memory.lend(9000)
  t.is(first.length, 9000)
  const { buffer } = first
  giveBack(first.subarray(100, 200))
  const second = memory.lend(16_000)
  t.is(second.buffer, buffer, 'for any length of its size')
  t.is(second.length, 16_000)
  t.not(memory.lend(9000).buffer, buffer, 'while it is lent, to nobody else')
})

test('what is given back twice, or was never lent, is left alone', (t) => {
  const memory = new BufferPool({ bytesMax: 64 * kilobyte })
  const first = memory.lend(9000)
  giveBack(first)
  giveBack(first)
  giveBack(Buffer.alloc(9000))
  const [a, b] = [memory.lend(9000), memory.lend(9000)]
  t.not(a.buffer, b.buffer)
})

test('there is no more of it than there may be', (t) => {
  const memory = new BufferPool({ bytesMax: 32 * kilobyte, shared: true })
  const buffers = [1, 2, 3].map(() => memory.lend(16 * kilobyte))
  t.alike(
    buffers.map(({ buffer }) => buffer instanceof SharedArrayBuffer),
    [true, true, false]
  )
  t.is(lentWith(buffers[2] as Buffer), undefined)
  t.is(memory.lend(1_000_000).length, 1_000_000, 'nor is anything refused')
})

test('what others have parts of is given back only when it is whole again', (t) => {
  const memory = new BufferPool({ bytesMax: 64 * kilobyte })
  const frame = memory.lend(9000, { inParts: true })
  const part = frame.subarray(10, 20)
  giveBack(part)
  t.is(lentWith(part)?.length, 9000, 'it is lent still')
  reunited(part)
  giveBack(part)
  t.is(lentWith(part), undefined)
  t.is(memory.lend(9000).buffer, frame.buffer)
})

test('a block takes up more than half of its memory, or Hypercore would copy it', (t) => {
  const memory = new BufferPool({ bytesMax: 2 ** 30 })
  for (const length of [1, 2, 3, 65_535, 65_536, 65_537, 1_000_000, 2 ** 21]) {
    if (2 * length < memory.lend(length).buffer.byteLength) t.fail(`${length} bytes`)
  }
})
