import { readdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import { State } from '../../../src/disk/state/state.ts'
import { directoryOf, fileOf, hashOf, pathOf, symlinkOf } from '../../support/entries.ts'
import { failureOf } from '../../support/failure.ts'

const extent = { core: 0, block: 3, blocks: 2, offset: 7, length: 100, packed: false }
const records = new Map([
  [pathOf('a'), { entry: directoryOf(), signature: '7:1.5' }],
  [pathOf('a/ünicode\n😀'), { entry: fileOf('x'.repeat(100), { extents: [extent] }), signature: '100:1:2:3' }],
  [pathOf('c'), { entry: symlinkOf('a'), signature: '' }],
  [pathOf('~'), { entry: fileOf(''), signature: '' }]
])

async function filled(directory: string): Promise<State> {
  const state = await State.open(directory)
  await state.commit((batch) => {
    for (const [path, record] of records) batch.put(path, record)
    batch.chunk(hashOf('chunk'), extent)
    batch.note('applied', { fork: 1, length: 2 })
  })
  return state
}

/** A state whose database is closed, and its directory. */
async function closedState(t: Assert): Promise<string> {
  const directory = join(await t.tmp(), 'state')
  const state = await filled(directory)
  await state.close()
  return directory
}

test('a new state remembers nothing', async (t) => {
  const state = await State.open(join(await t.tmp(), 'state'))
  t.is((await state.baseline()).size, 0)
  t.is(await state.chunk(hashOf('chunk')), undefined)
  t.is(await state.note('applied'), undefined)
  await state.close()
})

test('a state returns its records, also after it is reopened', async (t) => {
  const directory = await closedState(t)
  const state = await State.open(directory)
  t.alike(await state.baseline(), records)
  t.alike(await state.chunk(hashOf('chunk')), extent)
  t.is(await state.chunk(hashOf('other')), undefined)
  t.alike(await state.chunks([hashOf('other'), hashOf('chunk')]), new Map([[hashOf('chunk'), extent]]))
  t.is((await state.chunks([])).size, 0)
  t.alike(await state.note('applied'), { fork: 1, length: 2 })
  t.is(await state.note('content'), undefined)
  await state.close()
})

test('a state forgets what is removed, and all when it is cleared', async (t) => {
  const state = await filled(join(await t.tmp(), 'state'))
  await state.commit((batch) => {
    batch.remove(pathOf('a'))
    batch.put(pathOf('c'), { entry: fileOf('new'), signature: 's' })
  })
  const baseline = await state.baseline()
  t.alike([...baseline.keys()].sort(), ['a/ünicode\n😀', 'c', '~'])
  t.alike(baseline.get(pathOf('c')), { entry: fileOf('new'), signature: 's' })

  await state.clear()
  t.is((await state.baseline()).size, 0)
  t.is(await state.chunk(hashOf('chunk')), undefined)
  t.is(await state.note('applied'), undefined)
  await state.close()
})

test('a batch that fails while it is filled leaves nothing', async (t) => {
  const state = await State.open(join(await t.tmp(), 'state'))
  const error = await failureOf(() =>
    state.commit((batch) => {
      batch.put(pathOf('a'), { entry: fileOf('x'), signature: '' })
      throw new Error('half way')
    })
  )
  t.is((error as Error).message, 'half way')
  t.is((await state.baseline()).size, 0)
  await state.close()
})

test('a state of another format is replaced by an empty one', async (t) => {
  const directory = join(await t.tmp(), 'state')
  const state = await filled(directory)
  await state.commit((batch) => batch.note('format', 99))
  await state.close()
  const again = await State.open(directory)
  t.is((await again.baseline()).size, 0)
  await again.close()
})

for (const [what, damage] of [
  ['whose manifest is cut off', (directory: string) => eachFile(directory, /^MANIFEST/, (at) => truncateSync(at, 5))],
  ['that points to nowhere', (directory: string) => writeFileSync(join(directory, 'CURRENT'), 'garbage')],
  ['full of garbage', (directory: string) => eachFile(directory, /./, (at) => writeFileSync(at, 'garbage'))]
] as const) {
  test(`a state ${what} is made anew, and works`, async (t) => {
    const directory = await closedState(t)
    damage(directory)
    const state = await State.open(directory)
    t.is((await state.baseline()).size, 0)
    await state.commit((batch) => batch.put(pathOf('a'), { entry: fileOf('x'), signature: 's' }))
    await state.close()
    const again = await State.open(directory)
    t.is((await again.baseline()).size, 1)
    await again.close()
  })
}

function eachFile(directory: string, name: RegExp, act: (at: string) => void): void {
  const names = readdirSync(directory).filter((each) => name.test(each))
  if (names.length === 0) throw new Error(`No file ${name} to damage`)
  for (const each of names) act(join(directory, each))
}
