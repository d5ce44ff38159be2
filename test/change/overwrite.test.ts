import { chmodSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { type Assert, test } from 'brittle'
import { overwrite } from '../../src/change/overwrite.ts'
import { observe } from '../../src/disk/read/observe.ts'
import type { TreePath } from '../../src/tree/path.ts'
import { directoryOf, pathOf } from '../support/entries.ts'
import { codeOf, failureOf } from '../support/failure.ts'
import { MirroredFolder } from '../support/mirrored-folder.ts'
import { publishAndApply } from '../support/written.ts'

const paths = (...texts: readonly string[]): ReadonlySet<TreePath> => new Set(texts.map(pathOf))
const { signal } = new AbortController()
const lose = { mayGo: () => true, signal }

async function open(t: Assert): Promise<MirroredFolder> {
  const mirror = await MirroredFolder.open(t)
  await publishAndApply(mirror, { d: directoryOf(), 'd/f': 'content', g: 'other' })
  return mirror
}

test('changed, deleted and re-typed paths get their recorded content again', async (t) => {
  const mirror = await open(t)
  writeFileSync(mirror.at('g'), 'changed')
  rmSync(mirror.at('d'), { recursive: true })
  writeFileSync(mirror.at('d'), 'a file now')
  writeFileSync(mirror.at('own'), 'mine')
  const { failed, kept } = await overwrite(paths('d', 'd/f', 'g'), mirror.workspace, lose)
  t.alike([failed.size, kept.size], [0, 0])
  t.alike(mirror.tree(), { d: '/', 'd/f': 'content', g: 'other', own: 'mine' })
  t.alike(mirror.settled.sort(), ['d', 'd/f', 'g'])
})

test('damage that the signature does not show is repaired', async (t) => {
  const mirror = await open(t)
  const { baseline } = mirror.workspace
  writeFileSync(mirror.at('g'), 'OTHER')
  // As if the disk had changed the bytes, and left everything else.
  const entry = baseline.entry(pathOf('g'))
  const seen = observe(mirror.folder.root, paths('g'), () => {}).get(pathOf('g'))
  if (entry === undefined || seen?.type !== 'file') throw new Error('no file')
  baseline.put(pathOf('g'), { entry, signature: seen.signature })
  await overwrite(paths('g'), mirror.workspace, lose)
  t.is(mirror.tree().g, 'other')
})

test('a file that may not go is kept as a conflict copy', async (t) => {
  const mirror = await open(t)
  writeFileSync(mirror.at('g'), 'mine')
  const { kept } = await overwrite(paths('g'), mirror.workspace, { mayGo: () => false, signal })
  t.is(mirror.tree().g, 'other')
  t.is(mirror.tree()[kept.get(pathOf('g')) ?? ''], 'mine')
})

test('only the given paths are overwritten, mode and times too', async (t) => {
  const mirror = await open(t)
  writeFileSync(mirror.at('g'), 'changed')
  chmodSync(mirror.at('d/f'), 0o600)
  await overwrite(paths('d/f'), mirror.workspace, lose)
  t.is(statSync(mirror.at('d/f')).mode & 0o777, 0o644)
  t.is(mirror.tree().g, 'changed')
})

test('what cannot be overwritten keeps its record, and nothing is settled', async (t) => {
  const mirror = await open(t)
  const before = mirror.workspace.baseline.records.get(pathOf('g'))
  writeFileSync(mirror.at('g'), 'changed')
  const reason = new Error('ended')
  t.is(
    await failureOf(() => overwrite(paths('g'), mirror.workspace, { ...lose, signal: AbortSignal.abort(reason) })),
    reason
  )
  t.alike(mirror.workspace.baseline.records.get(pathOf('g')), before)
  rmSync(mirror.at('.p2psync/folder.json'))
  t.is(await codeOf(() => overwrite(paths('g'), mirror.workspace, lose)), 'HALTED')
  t.is(mirror.tree().g, 'changed')
  t.alike(mirror.settled, [])
})
