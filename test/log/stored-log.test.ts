import { join } from 'node:path'
import { test } from 'brittle'
import { noFiles } from '../../src/log/hypercore/block-places.ts'
import { parseKey } from '../../src/log/hypercore/store.ts'
import { StoredLog } from '../../src/log/stored-log.ts'
import { LogWriter } from '../../src/log/writer.ts'
import type { FileEntry } from '../../src/tree/entry.ts'
import { directoryOf, fileOf, pathOf } from '../support/entries.ts'
import { codeOf } from '../support/failure.ts'
import { collect, commit, openStore } from '../support/log.ts'

const { signal } = new AbortController()
const noIndex = { read: () => undefined, write: () => {} }
const bytes = Buffer.from('content')
const file = fileOf(bytes, { extents: [{ core: 0, block: 0, blocks: 1, offset: 0, length: 7, packed: false }] })

async function textOf(log: StoredLog, entry: FileEntry): Promise<string> {
  const pieces: Uint8Array[] = []
  for await (const piece of log.view.read(entry, { start: 0, end: entry.size }, signal)) pieces.push(piece)
  return Buffer.concat(pieces).toString()
}

test('a log is read from a store that nobody has open', async (t) => {
  const directory = join(await t.tmp(), 'store')
  const store = await openStore(t, directory)
  const writer = await LogWriter.open(store)
  await writer.appendBlocks([bytes])
  const first = await commit(writer, { file })
  const second = await commit(writer, { directory: directoryOf() })
  const { key } = writer
  await store.close()
  const log = await StoredLog.open(directory, key, noFiles, noIndex)
  t.alike(log.view.latest, second)
  const options = { recursive: true, onProblem: () => t.fail('a problem') }
  t.alike(await collect(log.view.list(second, '', options)), [
    ['directory', directoryOf()],
    ['file', file]
  ])
  t.is(await log.view.entry(first, pathOf('directory')), undefined)
  t.is(await textOf(log, file), 'content')
  await log.close()
  t.is(await codeOf(() => StoredLog.open(directory, 'no key', noFiles, noIndex)), 'BAD_KEY')
})

test('missing blocks of a stored log are reported as such', async (t) => {
  const directory = join(await t.tmp(), 'store')
  const store = await openStore(t, directory)
  const writer = await LogWriter.open(store)
  await commit(writer, { a: directoryOf() })
  const version = await commit(writer, { b: directoryOf() })
  const entries = await store.keyed(parseKey(writer.key))
  await entries.clear(1, 2)
  await store.close()
  const log = await StoredLog.open(directory, printed(entries.key), noFiles, noIndex)
  const versions = log.view.versions(version, { after: 0, path: '', newestFirst: false, signal })
  t.is(await codeOf(() => versions.next()), 'NOT_HELD')
  t.is(await codeOf(() => log.view.entry(version, pathOf('a'))), 'NOT_HELD')
  await log.close()
})

const printed = (key: Uint8Array) => Buffer.from(key).toString('hex')
