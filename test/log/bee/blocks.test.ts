import { test } from 'brittle'
import fc from 'fast-check'
import { Node } from 'hyperbee/lib/messages.js'
import { decodeBlock } from '../../../src/log/bee/bee-view.ts'
import { blocksOf, keyIn, piecesOf } from '../../../src/log/bee/blocks.ts'
import { fileOf } from '../../support/entries.ts'
import { failureOf } from '../../support/failure.ts'
import { commit, openWriter } from '../../support/log.ts'
import { holds, must } from '../../support/property.ts'

test('keyIn finds the key that decoding finds, or refuses the block as decoding does', async (t) => {
  const bytes = fc.uint8Array({ maxLength: 400 }).map((it) => Buffer.from(it))
  const node = fc
    .record({
      key: bytes,
      value: fc.option(bytes),
      index: fc.uint8Array({ maxLength: 300 }).map((it) => Buffer.from(it))
    })
    .map((it) => Node.encode(it))
  await holds(
    t,
    fc.property(node, (block) => {
      must(Buffer.from(keyIn(block)).equals(Node.decode(block).key), 'the same key')
    })
  )
  for (const hostile of [
    Buffer.alloc(0),
    Buffer.from([10]),
    Buffer.from([10, 0xff, 0xff, 3]),
    Buffer.from([18, 9, 1])
  ]) {
    const [found, decoded] = [() => keyIn(hostile), () => decodeBlock(hostile).key].map((read) =>
      failureOf(async () => read())
    )
    t.ok((await found) instanceof RangeError === (await decoded) instanceof RangeError)
  }
})

test('blocks come in order, in pieces, up to a missing one', async (t) => {
  const { store, writer } = await openWriter(t)
  const files = Array.from({ length: 1500 }, (_, i) => [`file ${i}`, fileOf(`${i}`)] as const)
  await commit(writer, Object.fromEntries(files))
  const core = await store.named('entries')
  const seqs: number[] = []
  for await (const piece of piecesOf(core, [{ start: 1, end: core.length }])) seqs.push(...piece.map(({ seq }) => seq))
  t.alike(
    seqs,
    Array.from({ length: 1501 }, (_, i) => i + 1)
  )
  const keys: string[] = []
  for await (const { block } of blocksOf(core, 600, 1202)) keys.push(block.key.toString())
  t.alike(
    keys,
    files.slice(599, 1201).map(([path]) => path)
  )
  for await (const _ of piecesOf(core, [{ start: 5, end: 5 }])) t.fail('nothing')
  const drain = async () => {
    for await (const _ of piecesOf(core, [{ start: 1000, end: core.length + 1 }]));
  }
  t.ok((await failureOf(drain)) instanceof RangeError)
})
