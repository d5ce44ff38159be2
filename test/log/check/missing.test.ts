import { test } from 'brittle'
import { encodePack } from '../../../src/format/pack-codec.ts'
import { encodeRelocations } from '../../../src/format/relocation-codec.ts'
import { missingBlocks } from '../../../src/log/check/missing.ts'
import { noRelocations, Relocations } from '../../../src/log/content/relocations.ts'
import { keepNodes } from '../../../src/log/hypercore/tree-nodes.ts'
import type { Entry } from '../../../src/tree/entry.ts'
import type { TreePath } from '../../../src/tree/path.ts'
import { fileOf, pathOf } from '../../support/entries.ts'
import { headOf, openStore } from '../../support/log.ts'

const inPack = (block: number, packed = true) =>
  fileOf('abc', { extents: [{ core: 0, block, blocks: 1, offset: 0, length: 3, packed }] })

async function* entries(rows: Readonly<Record<string, Entry>>): AsyncGenerator<readonly [TreePath, Entry]> {
  for (const [path, entry] of Object.entries(rows)) yield [pathOf(path), entry]
}

test('packs that entries name are reported missing, content in place is not', async (t) => {
  const core = await (await openStore(t)).named('content')
  const pack = await encodePack([Buffer.from('abc')])
  await core.append([pack, pack, Buffer.from('abc'), pack])
  keepNodes(core)
  const latest = () => ({
    head: headOf({ contentLength: 4 }),
    entries: entries({ a: inPack(3), b: inPack(0), c: inPack(2, false) }),
    relocations: async () => noRelocations
  })
  t.alike(await missingBlocks(core, latest()), [])
  await core.clear(0, 4)
  t.alike(await missingBlocks(core, latest()), [0, 3])
})

test('the last place of a moved pack is reported missing, and the table before all else', async (t) => {
  const core = await (await openStore(t)).named('content')
  const pack = await encodePack([Buffer.from('abc')])
  const move = { block: 0, to: 1, at: 0, bytes: 3, runs: [{ offset: 0, length: 3 }] }
  const [table] = await encodeRelocations([move])
  await core.append([pack, pack, table ?? Buffer.alloc(0)])
  keepNodes(core)
  const latest = () => ({
    head: headOf({ contentLength: 3, relocations: { block: 2, blocks: 1 } }),
    entries: entries({ a: inPack(0) }),
    relocations: async () => new Relocations([move])
  })
  await core.clear(0)
  t.alike(await missingBlocks(core, latest()), [], 'the new pack is here')
  await core.clear(1)
  t.alike(await missingBlocks(core, latest()), [1])
  await core.clear(2)
  t.alike(await missingBlocks(core, latest()), [2], 'without the table nothing else is known')
})
