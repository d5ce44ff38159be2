import { join } from 'node:path'
import { test } from 'brittle'
import { LogStore } from '../../src/log/hypercore/store.ts'
import { LogWriter } from '../../src/log/writer.ts'
import { directoryOf, fileOf, symlinkOf } from '../support/entries.ts'
import { collect, commit, openStore, openWriter } from '../support/log.ts'
import { Problems } from '../support/problems.ts'

const content = fileOf('content', { extents: [{ core: 0, block: 0, blocks: 1, offset: 0, length: 7, packed: false }] })

test('a new log has a key, and no version', async (t) => {
  const { writer } = await openWriter(t)
  t.ok(/^[a-z0-9]{52}$/.test(writer.key))
  t.is(writer.version, undefined)
  t.alike(writer.content, { fork: 0, length: 0 })
  t.alike(await collect(writer.entries(() => t.fail('a problem'))), [])
})

test('every commit is a version, and entries are those of the latest', async (t) => {
  const { writer } = await openWriter(t)
  const first = await commit(writer, { a: directoryOf(), 'a/link': symlinkOf('x'), file: content })
  t.alike(writer.version, first)
  const second = await commit(writer, { file: undefined, 'a/link': symlinkOf('y'), z: fileOf('') })
  t.ok(second.length > first.length)
  t.is(second.fork, first.fork)
  const problems = new Problems()
  t.alike(await collect(writer.entries(problems.add)), [
    ['a', directoryOf()],
    ['a/link', symlinkOf('y')],
    ['z', fileOf('')]
  ])
  t.alike(problems.list, [])
})

test('a commit without changes is a version too', async (t) => {
  const { writer } = await openWriter(t)
  const version = await commit(writer, {})
  t.alike(writer.version, version)
  t.alike(await collect(writer.entries(() => {})), [])
})

test('what is removed without being there does no harm', async (t) => {
  const { writer } = await openWriter(t)
  await commit(writer, { gone: undefined, a: directoryOf() })
  t.alike(await collect(writer.entries(() => {})), [['a', directoryOf()]])
})

test('blocks are appended in order, and read back', async (t) => {
  const { store, writer } = await openWriter(t)
  await writer.appendBlocks([])
  await writer.appendBlocks([Buffer.from('one'), Buffer.from('two')])
  await writer.appendBlocks([Buffer.from('three')])
  t.alike(writer.content, { fork: 0, length: 3 })
  t.is((await (await store.named('content')).get(2))?.toString(), 'three')
  t.ok(await writer.has({ core: 0, block: 1, blocks: 2, offset: 0, length: 8, packed: false }))
  t.absent(await writer.has({ core: 0, block: 2, blocks: 2, offset: 0, length: 8, packed: false }), 'one of them')
})

test('a log goes on where it was left', async (t) => {
  const directory = join(await t.tmp(), 'store')
  const store = await LogStore.open(directory)
  const writer = await LogWriter.open(store)
  await writer.appendBlocks([Buffer.from('content')])
  const version = await commit(writer, { file: content })
  const { key } = writer
  await writer.close()
  await store.close()

  const again = await LogWriter.open(await openStore(t, directory))
  t.is(again.key, key)
  t.alike(again.version, version)
  t.alike(again.content, { fork: 0, length: 1 })
  const next = await commit(again, { a: directoryOf() })
  t.ok(next.length > version.length)
  t.alike(await collect(again.entries(() => {})), [
    ['a', directoryOf()],
    ['file', content]
  ])
})

test('a new fork keeps all that is there, and counts on', async (t) => {
  const { writer } = await openWriter(t)
  await writer.startFork(0)
  t.is(writer.version, undefined, 'an empty log stays empty')
  await writer.appendBlocks([Buffer.from('content')])
  const version = await commit(writer, { file: content })
  await writer.startFork(0)
  t.alike(writer.version, { fork: version.fork + 1, length: version.length })
  t.is(writer.content.length, 1)
  t.ok(await writer.has({ core: 0, block: 0, blocks: 1, offset: 0, length: 7, packed: false }))
  await commit(writer, { a: directoryOf() })
  t.alike(
    (await collect(writer.entries(() => {}))).map(([path]) => path),
    ['a', 'file']
  )
})

test('a snapshot takes the place of the one before, and its blocks', async (t) => {
  const { writer } = await openWriter(t)
  await writer.appendBlocks([Buffer.from('content')])
  await commit(writer, { a: directoryOf() })
  await writer.publishSnapshot([Buffer.from('one'), Buffer.from('two')], 1, 0)
  const blocks = (block: number, blocks: number) =>
    writer.has({ core: 0, block, blocks, offset: 0, length: 3, packed: false })
  t.ok(await blocks(1, 2))
  await writer.publishSnapshot([Buffer.from('three')], 1, 0)
  t.absent(await blocks(1, 1))
  t.absent(await blocks(2, 1))
  t.ok(await blocks(0, 1))
  t.ok(await blocks(3, 1))
  t.is((await writer.head())?.snapshot?.block, 3)
})
