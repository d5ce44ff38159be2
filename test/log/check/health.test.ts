import { join } from 'node:path'
import { test } from 'brittle'
import { encodeHead, headKey } from '../../../src/format/head-codec.ts'
import { beeOf } from '../../../src/log/bee/entries.ts'
import { inspectStore } from '../../../src/log/check/health.ts'
import { parseKey, printKey } from '../../../src/log/hypercore/store.ts'
import { LogWriter } from '../../../src/log/writer.ts'
import { directoryOf } from '../../support/entries.ts'
import { codeOf } from '../../support/failure.ts'
import { commit, headOf, openStore } from '../../support/log.ts'

test('the latest version of a store and its head are read without writing', async (t) => {
  const directory = join(await t.tmp(), 'store')
  const store = await openStore(t, directory)
  const writer = await LogWriter.open(store)
  const { key } = writer
  await writer.appendBlocks([Buffer.from('block')])
  const version = await commit(writer, { a: directoryOf() }, { directories: 1 })
  await store.close()
  const health = await inspectStore(directory, key)
  t.alike(health.version, version)
  t.is(health.head?.directories, 1)
  t.is(await codeOf(() => inspectStore(directory, 'no key')), 'BAD_KEY')
})

test('a store that lacks the last block is not damaged', async (t) => {
  const directory = join(await t.tmp(), 'store')
  const store = await openStore(t, directory)
  const writer = await LogWriter.open(store)
  const { key } = writer
  const entries = await store.keyed(parseKey(key))
  const version = await commit(writer, { a: directoryOf() })
  await entries.clear(version.length - 1)
  await store.close()
  t.alike(await inspectStore(directory, key), { version, head: undefined })
})

test('a log that names no content core is damaged', async (t) => {
  const directory = join(await t.tmp(), 'store')
  const store = await openStore(t, directory)
  const core = await store.named('entries')
  const bee = beeOf(core)
  await bee.ready()
  const batch = bee.batch()
  await batch.put(Buffer.from(headKey), encodeHead(headOf()))
  await batch.flush()
  const key = printKey(core.key)
  await store.close()
  t.is(await codeOf(() => inspectStore(directory, key)), 'DAMAGED')
})
