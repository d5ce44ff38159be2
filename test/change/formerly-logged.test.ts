import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import { formerlyLogged, loggedAt, unrecordedIn } from '../../src/change/formerly-logged.ts'
import { SyncError } from '../../src/errors.ts'
import type { Entry } from '../../src/tree/entry.ts'
import { partOf } from '../../src/tree/select.ts'
import { directoryOf, fileOf, pathOf } from '../support/entries.ts'
import { collect } from '../support/log.ts'
import { MirroredFolder } from '../support/mirrored-folder.ts'
import { tree } from '../support/trees.ts'

const { signal } = new AbortController()

/** A log that had `docs/old` and `old`, and a folder that holds them, and files of the user's own. */
async function open(t: Parameters<typeof MirroredFolder.open>[0]) {
  const mirror = await MirroredFolder.open(t)
  await mirror.publish({ docs: directoryOf(), 'docs/old': 'former', old: 'former' })
  await mirror.publish({ 'docs/old': undefined, old: undefined, now: 'now' })
  mkdirSync(mirror.at('docs'))
  writeFileSync(mirror.at('docs/old'), 'former')
  writeFileSync(mirror.at('old'), 'FORMER')
  writeFileSync(mirror.at('own'), 'never shared')
  const { baseline } = mirror.workspace
  baseline.put(pathOf('docs'), { entry: directoryOf(), signature: '' })
  return mirror
}

test('unrecorded files may be the log’s where it had a file of that size at the path', async (t) => {
  const { workspace } = await open(t)
  const all = await unrecordedIn(workspace, '', new Set(), signal)
  t.alike([...all.formerEntries.keys()].sort(), ['docs/old', 'old'])
  t.is(all.others, 1)
  const within = await unrecordedIn(workspace, pathOf('docs'), new Set(), signal)
  t.alike([...within.formerEntries.keys()], ['docs/old'])
  writeFileSync(join(workspace.folder.root, 'docs/old'), 'of another size')
  t.is((await unrecordedIn(workspace, pathOf('docs'), new Set(), signal)).others, 1)
  writeFileSync(join(workspace.folder.root, 'docs/old'), 'former')
  const known = await unrecordedIn(workspace, '', new Set([pathOf('old'), pathOf('own')]), signal)
  t.alike([...known.formerEntries.keys()], ['docs/old'])
  t.is(known.others, 0)
  const part = partOf({ only: ['docs/'], exclude: [] })
  const selected = await unrecordedIn({ ...workspace, part }, '', new Set(), signal)
  t.alike([...selected.formerEntries.keys()], ['docs/old'], 'other paths are not selected')
})

test('a file is the log’s if its content is what the log had, and still holds', async (t) => {
  const { workspace } = await open(t)
  const unrecorded = await unrecordedIn(workspace, '', new Set(), signal)
  const local = tree({ 'docs/old': fileOf('former'), old: fileOf('FORMER') })
  await Promise.all([...unrecorded.formerEntries.values()].flat().map((entry) => received(workspace, entry)))
  const ours = await formerlyLogged(workspace.view, unrecorded, local)
  t.alike([...ours.keys()], ['docs/old'], 'the other has another content')
  const cleared = await formerlyLogged({ holds: async () => false }, unrecorded, local)
  t.is(cleared.size, 0, 'gc has cleared it')
})

/** Reads a content, so that the log holds it. */
async function received({ content }: MirroredFolder['workspace'], entry: Entry): Promise<void> {
  if (entry.type !== 'file') return
  const contents = await content()
  for await (const _ of contents.read(entry, signal));
  await contents.close()
}

test('without the log’s history, every file is the user’s own', async (t) => {
  const { workspace } = await open(t)
  const view = {
    finished: () => workspace.view.finished(),
    // biome-ignore lint/correctness/useYield: it fails before.
    async *versions() {
      throw new SyncError('NOT_HELD', 'not here')
    },
    list: workspace.view.list.bind(workspace.view),
    entry: workspace.view.entry.bind(workspace.view),
    holds: workspace.view.holds.bind(workspace.view)
  }
  const { formerEntries, others } = await unrecordedIn({ ...workspace, view }, '', new Set(), signal)
  t.is(formerEntries.size, 0)
  t.is(others, 3)
})

test('all entries that a log ever had of a path are found, the oldest first', async (t) => {
  const mirror = await MirroredFolder.open(t)
  for (const content of ['1', '22', '333']) await mirror.publish({ a: content, [`other-${content}`]: content })
  const entries = await collect(loggedAt(mirror.workspace.view, new Set([pathOf('a')]), signal))
  t.alike(
    entries.map(([path, entry]) => [path, entry.type === 'file' && entry.size]),
    [
      ['a', 1],
      ['a', 2],
      ['a', 3]
    ]
  )
  t.alike(await collect(loggedAt(mirror.workspace.view, new Set(), signal)), [])
})
