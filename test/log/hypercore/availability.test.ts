import { type Assert, test } from 'brittle'
import { BlockPlaces, noFiles } from '../../../src/log/hypercore/block-places.ts'
import { internalsOf } from '../../../src/log/hypercore/internals.ts'
import { bytesOf } from '../../support/bytes.ts'
import { hangMs } from '../../support/hang.ts'
import { link, openStore } from '../../support/log.ts'
import { until } from '../../support/until.ts'

const blocks = Array.from({ length: 1000 }, (_, i) => bytesOf(10 + (i % 7), i))

/** A core that two have: a writer, and a reader that has block 1. */
async function openPair(t: Assert) {
  const near = await openStore(t)
  const writer = await near.named('content')
  // Keeps the nodes that prove cleared blocks.
  new BlockPlaces(writer, noFiles)
  await writer.append(blocks)
  const far = await openStore(t)
  const reader = await far.keyed(writer.key)
  await link(t, near, far)
  await reader.get(1)
  return { writer, reader }
}

test('a peer that gives up one block still offers those behind it', async (t) => {
  const { writer, reader } = await openPair(t)
  // By a request for a block that nobody has, the reader subscribes to announcements.
  const nobodys = reader.get(1001, { timeout: hangMs }).catch(() => undefined)
  for (const block of [500, 10]) {
    await writer.clear(block)
    await until(() => internalsOf(reader).peers[0]?.remoteContiguousLength === block, {
      what: 'word of the cleared block'
    })
    const read = await reader.get(block + 20, { timeout: hangMs }).catch(() => null)
    t.ok(read?.equals(blocks[block + 20] as Buffer))
  }
  await reader.download({ start: 600, end: 999 }).done()
  t.ok(await reader.has(600, 999), 'a range too')
  await writer.append(Buffer.from('more'))
  await writer.append(Buffer.from('more'))
  t.ok(await nobodys)
})

test('a block that came back can be fetched after the other side lost its own', async (t) => {
  const { writer, reader } = await openPair(t)
  await reader.download({ start: 0, end: 1000 }).done()
  await until(() => internalsOf(writer).peers[0]?.remoteContiguousLength === 1000, { what: 'word of all' })
  const value = blocks[999] as Buffer
  await writer.clear(999)
  await until(() => internalsOf(reader).peers[0]?.remoteContiguousLength === 999, { what: 'word of the cleared block' })
  const nothing = { hash: null, seek: null, upgrade: null, manifest: null }
  await internalsOf(writer).applyProof({ fork: writer.fork, block: { index: 999, value, nodes: [] }, ...nothing })
  await reader.clear(999)
  const read = await reader.get(999, { timeout: hangMs }).catch(() => null)
  t.ok(read?.equals(value))
})

test('readers follow a fork that begins where the writer has cleared the blocks', async (t) => {
  const near = await openStore(t)
  const writer = await near.named('content')
  new BlockPlaces(writer, noFiles)
  await writer.append(blocks.slice(0, 37))
  const far = await openStore(t)
  const reader = await far.keyed(writer.key)
  const unlink = await link(t, near, far)
  await reader.download({ start: 0, end: 37 }).done()
  unlink()
  await until(() => reader.peers.length === 0, { what: 'the end of the connection' })
  await writer.clear(30, 37)
  await writer.truncate(37, { fork: 5 })
  await writer.append(Buffer.from('new'))
  await link(t, near, far)
  const read = await reader.get(37, { timeout: hangMs }).catch(() => null)
  t.is(read?.toString(), 'new')
  t.is(reader.fork, 5)
})
