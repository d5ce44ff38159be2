import { test } from 'brittle'
import { packBytesTarget, packHeaderBytes } from '../../src/format/pack-codec.ts'
import { PackBuffers } from '../../src/publish/pack-buffers.ts'

test('a buffer that is given back is taken again', (t) => {
  const buffers = new PackBuffers()
  const first = buffers.take()
  const second = buffers.take()
  t.is(first.byteLength, packHeaderBytes + packBytesTarget + 1)
  t.not(first, second)
  buffers.give(first)
  t.is(buffers.take(), first)
  t.not(buffers.take(), first)
})

test('a buffer of another size is not kept', (t) => {
  const buffers = new PackBuffers()
  const strange = new ArrayBuffer(8)
  buffers.give(strange)
  t.not(buffers.take(), strange)
})

test('no more than 24 buffers are kept', (t) => {
  const buffers = new PackBuffers()
  const all = Array.from({ length: 30 }, () => buffers.take())
  for (const buffer of all) buffers.give(buffer)
  const kept = new Set(all)
  const again = Array.from({ length: 30 }, () => buffers.take())
  t.is(again.filter((buffer) => kept.has(buffer)).length, 24)
})
