import { chmodSync, lstatSync, mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { test } from 'brittle'
import { signatureOf } from '../../../src/disk/read/seen.ts'
import { directoryOf, fileOf, hashOf, pathOf, someTimeMs, symlinkOf } from '../../support/entries.ts'
import { step } from '../../support/failpoints.ts'
import { failureOf } from '../../support/failure.ts'
import { Workshop } from '../../support/materialise.ts'

test('directories, files and links are made, and recorded as they stand on disk', async (t) => {
  const shop = await Workshop.open(t)
  shop.has('content')
  const outcome = await shop.run([
    step.directory('a', { mode: 0o711 }),
    step.directory('a/b'),
    step.file('a/b/file', 'content', { mode: 0o604 }),
    step.file('empty', ''),
    step.symlink('a/link', '../nowhere')
  ])

  t.alike(outcome.problems.list, [])
  t.alike(shop.tree(), { a: '/', 'a/b': '/', 'a/b/file': 'content', 'a/link': '-> ../nowhere', empty: '' }, 'tree')
  const stats = lstatSync(shop.at('a/b/file'))
  t.is(stats.mode & 0o7777, 0o604)
  t.is(lstatSync(shop.at('a')).mode & 0o7777, 0o711)
  for (const path of ['a', 'a/b', 'a/b/file', 'a/link', 'empty']) {
    t.is(Math.floor(lstatSync(shop.at(path)).mtimeMs), someTimeMs, `the time of ${path}`)
  }
  const { put, removed } = outcome.applied
  t.alike([...put.keys()].sort(), ['a', 'a/b', 'a/b/file', 'a/link', 'empty'])
  t.alike(put.get(pathOf('a/b/file')), { entry: fileOf('content', { mode: 0o604 }), signature: signatureOf(stats) })
  t.alike(put.get(pathOf('a/link'))?.entry, symlinkOf('../nowhere'))
  t.is(removed.size, 0)
  t.alike(shop.staged(), [])
})

test('times come to the millisecond, far ahead and long ago', async (t) => {
  const shop = await Workshop.open(t)
  shop.has('x')
  const times = [0, 1, 999, 1001, someTimeMs, 1_700_000_000_999, 4_102_444_800_001, 9_999_999_999_999]
  const outcome = await shop.run(times.map((mtimeMs) => step.file(`at-${mtimeMs}`, 'x', { mtimeMs })))
  t.alike(outcome.problems.list, [])
  for (const mtimeMs of times) {
    t.is(Math.floor(lstatSync(shop.at(`at-${mtimeMs}`)).mtimeMs), mtimeMs)
    t.not(outcome.applied.put.get(pathOf(`at-${mtimeMs}`))?.signature, '', 'known again without reading')
  }
})

test('a file is replaced, and its metadata is set without a copy', async (t) => {
  const shop = await Workshop.open(t)
  shop.has('new')
  writeFileSync(shop.at('file'), 'old')
  writeFileSync(shop.at('same'), 'same')
  const { ino } = lstatSync(shop.at('same'))
  const outcome = await shop.run([step.file('file', 'new'), step.metadata('same', 'same', { mode: 0o400 })])
  t.alike(shop.tree(), { file: 'new', same: 'same' })
  t.is(lstatSync(shop.at('same')).mode & 0o777, 0o400)
  t.is(Math.floor(lstatSync(shop.at('same')).mtimeMs), someTimeMs)
  t.is(lstatSync(shop.at('same')).ino, ino)
  t.alike([...outcome.applied.put.keys()].sort(), ['file', 'same'])
})

test('files, links and emptied directories are removed', async (t) => {
  const shop = await Workshop.open(t)
  mkdirSync(shop.at('a/b'), { recursive: true })
  writeFileSync(shop.at('a/b/file'), 'x')
  symlinkSync('/', shop.at('a/link'))
  const outcome = await shop.run([
    step.removeSymlink('a/link', '/'),
    step.remove('a/b/file', 'x'),
    step.removeDirectory('a/b'),
    step.removeDirectory('a'),
    step.remove('gone', 'x')
  ])
  t.alike(shop.tree(), {})
  t.alike([...outcome.applied.removed].sort(), ['a', 'a/b', 'a/b/file', 'a/link', 'gone'])
  t.alike(outcome.problems.list, [])
})

test('a directory that is removed stays while the user has files in it', async (t) => {
  const shop = await Workshop.open(t)
  mkdirSync(shop.at('a/mine'), { recursive: true })
  writeFileSync(shop.at('a/ours'), 'x')
  writeFileSync(shop.at('a/mine/file'), 'mine')
  const outcome = await shop.run([step.remove('a/ours', 'x'), step.removeDirectory('a')])
  t.alike(shop.tree(), { a: '/', 'a/mine': '/', 'a/mine/file': 'mine' })
  t.alike([...outcome.applied.removed].sort(), ['a', 'a/ours'], 'it is the user’s own from now on')
  t.alike(outcome.problems.list, [])
})

test('a file moves without a transfer, to where its directory is made first', async (t) => {
  const shop = await Workshop.open(t)
  mkdirSync(shop.at('old'))
  writeFileSync(shop.at('old/file'), 'content')
  const { ino } = lstatSync(shop.at('old/file'))
  const outcome = await shop.run([
    step.directory('new'),
    step.move('old/file', 'new/file', 'content', { mode: 0o640 }),
    step.removeDirectory('old')
  ])
  t.alike(shop.tree(), { new: '/', 'new/file': 'content' })
  t.is(lstatSync(shop.at('new/file')).ino, ino)
  t.is(lstatSync(shop.at('new/file')).mode & 0o777, 0o640)
  t.is(shop.asked.size, 0)
  t.alike([...outcome.applied.removed].sort(), ['old', 'old/file'])
  t.is(outcome.applied.put.get(pathOf('new/file'))?.signature, signatureOf(lstatSync(shop.at('new/file'))))
})

test('a move of a file that has changed becomes a transfer, and the edit stays', async (t) => {
  const shop = await Workshop.open(t)
  shop.has('content')
  writeFileSync(shop.at('from'), 'content')
  const meanwhile = () => writeFileSync(shop.at('from'), 'edited by the user')
  await shop.run([step.move('from', 'to', 'content')], { meanwhile })
  t.alike(shop.tree(), { from: 'edited by the user', to: 'content' })
})

test('a copy is made from the folder, and from the source where that has changed', async (t) => {
  const shop = await Workshop.open(t)
  writeFileSync(shop.at('one'), 'content')
  t.alike((await shop.run([step.copy('two', 'content', 'one')])).problems.list, [])
  t.is(shop.asked.size, 0, 'without the source')

  shop.has('content')
  writeFileSync(shop.at('one'), 'changed')
  await shop.run([step.copy('three', 'content', 'one'), step.copy('four', 'content', 'missing')])
  t.alike(shop.tree(), { four: 'content', one: 'changed', three: 'content', two: 'content' })
  t.is(shop.asked.get(hashOf('content')), 2)
  t.alike(shop.staged(), [])
})

test('wrong content is refused, reported, and stops nothing else', async (t) => {
  const shop = await Workshop.open(t)
  shop.has('fine')
  shop.lie(fileOf('right'), 'wrong')
  writeFileSync(shop.at('file'), 'old')
  const outcome = await shop.run([
    step.file('file', 'right'),
    step.file('fine', 'fine'),
    step.file('not-to-be-had', 'unknown')
  ])
  t.alike(shop.tree(), { file: 'old', fine: 'fine' })
  t.alike(outcome.problems.paths, ['file', 'not-to-be-had'])
  t.alike(outcome.problems.list.map(({ action }) => action).sort(), ['fetch', 'log'])
  t.alike([...outcome.applied.put.keys()], ['fine'])
  t.alike(shop.staged(), [])
})

test('an abort ends at once and leaves the folder as it is', async (t) => {
  const shop = await Workshop.open(t)
  shop.has('new')
  writeFileSync(shop.at('file'), 'old')
  const stop = new AbortController()
  stop.abort(new Error('enough'))
  const error = await failureOf(() => shop.run([step.file('file', 'new')], { signal: stop.signal }))
  t.is(error, stop.signal.reason)
  t.alike(shop.tree(), { file: 'old' })
  t.alike(shop.staged(), [])
})

test('directories keep their mode and time through what happens in them', async (t) => {
  const shop = await Workshop.open(t)
  shop.has('x')
  mkdirSync(shop.at('a'))
  utimesSync(shop.at('a'), 1, 1)
  chmodSync(shop.at('a'), 0o750)
  const directories = { a: directoryOf({ mode: 0o750, mtimeMs: someTimeMs }) }
  const outcome = await shop.run([step.file('a/new', 'x')], { directories })
  t.is(Math.floor(lstatSync(shop.at('a')).mtimeMs), someTimeMs)
  t.is(lstatSync(shop.at('a')).mode & 0o777, 0o750)
  t.alike([...outcome.applied.put.keys()], ['a/new'], 'the directory itself has no step')
})

test('many files go in several batches, each recorded', async (t) => {
  const shop = await Workshop.open(t)
  const names = Array.from({ length: 2300 }, (_, i) => `file-${i}`)
  for (const name of names) shop.has(name)
  const outcome = await shop.run(names.map((name) => step.file(name, name)))
  t.is(outcome.applied.put.size, 2300)
  t.is(readFileSync(shop.at('file-2299'), 'utf8'), 'file-2299')
  t.is(Object.keys(shop.tree()).length, 2300)
  t.alike(shop.staged(), [])
})

/** A file whose content is one byte of a pack. */
function packedStep(path: string, pack: string, offset: number, block: number) {
  const extents = [{ core: 0, block, blocks: 1, offset, length: 1, packed: true }]
  return step.file(path, pack[offset] as string, { extents })
}

test('small files come out of packs in a worker thread, each of which may fail by itself', async (t) => {
  const shop = await Workshop.open(t)
  const letters = 'abcdefgh'
  shop.hasPack(3, letters)
  shop.hasPack(4, 'xyz')
  const outcome = await shop.run([
    ...[...letters].map((letter, i) => packedStep(`ok-${letter}`, letters, i, 3)),
    packedStep('wrong', '?', 0, 4),
    packedStep('right', 'xyz', 2, 4),
    packedStep('no-pack', 'a', 0, 5),
    packedStep('no-pack-either', 'b', 0, 5)
  ])
  const expected = Object.fromEntries([...letters].map((letter) => [`ok-${letter}`, letter]))
  t.alike(shop.tree(), { ...expected, right: 'z' })
  t.alike(outcome.problems.list.map(({ path, action }) => `${action} ${path}`).sort(), [
    'fetch no-pack',
    'fetch no-pack-either',
    'log wrong'
  ])
  t.is(Math.floor(lstatSync(shop.at('ok-a')).mtimeMs), someTimeMs)
  t.not(outcome.applied.put.get(pathOf('ok-a'))?.signature, '')
  t.is(shop.asked.size, 0, 'nothing was asked for by itself')
  t.alike(shop.staged(), [])
})

test('an abort leaves no staged files of a pack', async (t) => {
  const shop = await Workshop.open(t)
  shop.hasPack(3, 'abcdefgh')
  const stop = new AbortController()
  const steps = [...'abcdefgh'].map((letter, i) => packedStep(letter, 'abcdefgh', i, 3))
  const meanwhile = () => stop.abort(new Error('enough'))
  const error = await failureOf(() => shop.run(steps, { signal: stop.signal, meanwhile }))
  t.is((error as Error).message, 'enough')
  t.alike(shop.tree(), {})
  t.alike(shop.staged(), [])
})
