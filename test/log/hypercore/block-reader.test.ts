import { test } from 'brittle'
import { BlockReader, readStored } from '../../../src/log/hypercore/block-reader.ts'
import { heldBlocks, holdsBlock, isClosing, nextHeld } from '../../../src/log/hypercore/core-state.ts'
import { internalsOf } from '../../../src/log/hypercore/internals.ts'
import { bytesOf } from '../../support/bytes.ts'
import { failureOf } from '../../support/failure.ts'
import { openStore } from '../../support/log.ts'

const blocks = Array.from({ length: 40 }, (_, i) => bytesOf(20, i + 1))

test('blocks that are asked for in one turn are read by one batch', async (t) => {
  const core = await (await openStore(t)).named('content')
  await core.append(blocks)
  await core.clear(7)
  const reader = new BlockReader(core.session({ wait: false }))
  t.alike(await reader.get(3), blocks[3])
  const { storage } = internalsOf(core).core.state
  const { read } = storage
  let batches = 0
  storage.read = () => {
    batches++
    return read.call(storage)
  }
  const all = await Promise.all(blocks.map((_, i) => (i === 7 ? undefined : reader.get(i))))
  t.is(batches, 1)
  t.alike(
    all,
    blocks.map((block, i) => (i === 7 ? undefined : block))
  )
  t.is(reader.has(7), false)
  t.is(await reader.get(7), null)
})

test('reading ends with the core', async (t) => {
  const core = await (await openStore(t)).named('content')
  await core.append(blocks)
  const reader = new BlockReader(core)
  const reading = failureOf(() => reader.get(1))
  t.is(isClosing(core), false)
  const closing = core.close()
  t.is(isClosing(core), true)
  t.ok((await reading) instanceof Error)
  await closing
})

test('stored blocks are read without waiting for missing ones', async (t) => {
  const core = await (await openStore(t)).named('content')
  await core.append(blocks)
  await core.clear(1)
  t.alike(await readStored(core, [2, 1, 99]), [blocks[2], null, null])
})

test('the blocks that are here are known without a read', async (t) => {
  const core = await (await openStore(t)).named('content')
  await core.append(blocks.slice(0, 10))
  await core.clear(2, 8)
  t.alike([...heldBlocks(core)], [0, 1, 8, 9])
  t.alike([...heldBlocks(core, 9)], [0, 1, 8])
  t.alike([nextHeld(core, 2), nextHeld(core, 9), nextHeld(core, 10)], [8, 9, -1])
  t.alike([holdsBlock(core, 1), holdsBlock(core, 2), holdsBlock(core, 10)], [true, false, false])
})
