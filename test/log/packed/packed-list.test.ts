import { test } from 'brittle'
import { encodeRows, type SnapshotRow } from '../../../src/format/snapshot-codec.ts'
import { type LogStore, parseKey } from '../../../src/log/hypercore/store.ts'
import { LogReader } from '../../../src/log/reader.ts'
import { directoryOf, fileOf, pathOf } from '../../support/entries.ts'
import { arrival, collect, commit, link, openStore, openWriter } from '../../support/log.ts'

const directories = 60
const filesEach = 100

test('a distant reader lists a directory by the snapshot and the changes since, with few blocks', async (t) => {
  const { store, writer } = await openWriter(t)
  const rows: SnapshotRow[] = []
  for (let i = 0; i < directories; i++) {
    const directory = pathOf(`d${String(i).padStart(2, '0')}`)
    rows.push([directory, directoryOf()])
    for (let j = 0; j < filesEach; j++) rows.push([pathOf(`${directory}/f${String(j).padStart(2, '0')}`), fileOf('')])
  }
  await commit(writer, Object.fromEntries(rows))
  const blocks: Buffer[] = []
  for await (const block of encodeRows(rows)) blocks.push(block)
  t.ok(blocks.length > 1, `${blocks.length} blocks`)
  await writer.publishSnapshot(blocks, rows.length, 0)
  const version = await commit(writer, { 'd40/f50': undefined, 'd40/g': fileOf(''), 'd40/g/h': fileOf('') })

  const own = await openStore(t)
  const reader = await LogReader.open(own, writer.key, { sparse: true })
  await link(t, store, own)
  await arrival(reader, version)
  const far = reader.view({ received: () => 0 })
  const near = writer.view({ received: () => 0 })
  const options = { recursive: false, onProblem: () => {} }
  const told = await collect(far.list(version, pathOf('d40'), options))
  t.alike(told, await collect(near.list(version, pathOf('d40'), options)))
  t.is(told.length, filesEach)
  for (const path of ['d40', 'd40/f49', 'd40/f50', 'd40/g', 'd39', 'nothing'].map(pathOf)) {
    t.alike(await far.entry(version, path), await near.entry(version, path), path)
  }
  t.ok((await heldBy(own, writer.key)) < 20, `${await heldBy(own, writer.key)} blocks of the tree were fetched`)

  const whole = { recursive: true, onProblem: () => {} }
  t.alike(await collect(far.list(version, '', whole)), await collect(near.list(version, '', whole)), 'all of it')
})

async function heldBy(store: LogStore, key: string): Promise<number> {
  const core = await store.keyed(parseKey(key))
  let held = 0
  for (let i = 0; i < core.length; i++) if (await core.has(i)) held++
  await core.close()
  return held
}
