import { symlinkSync, utimesSync } from 'node:fs'
import { test } from 'brittle'
import { folderTree } from '../../src/query/folder-tree.ts'
import type { BaselineRecord } from '../../src/tree/diff.ts'
import type { TreePath } from '../../src/tree/path.ts'
import { hashOf, pathOf } from '../support/entries.ts'
import { Problems } from '../support/problems.ts'
import { Share } from '../support/share.ts'

const { signal } = new AbortController()

test('holds what is on disk, but for what is ignored', async (t) => {
  const share = await Share.open(t, { '.p2psyncignore': '*.log\n', 'a.log': 'a', 'dir/b': 'b' })
  symlinkSync('dir', share.at('link'))
  const problems = new Problems()
  const tree = await folderTree(share.root, async function* () {}, { onProblem: problems.add, signal })
  t.alike([...tree.keys()].sort(), ['.p2psyncignore', 'dir', 'dir/b', 'link'])
  const b = tree.get(pathOf('dir/b'))
  t.is(b?.type === 'file' && b.hash, hashOf('b'))
  t.is(tree.get(pathOf('link'))?.type, 'symlink')
  t.alike(problems.list, [])
})

test('a file with its recorded signature is not read', async (t) => {
  const share = await Share.open(t, { a: 'text' })
  utimesSync(share.at('a'), 1, 1)
  await share.publish(t)
  const recorded = (await share.state.baseline()).get(pathOf('a'))
  if (recorded?.entry.type !== 'file') throw new Error('no record')
  const entry = { ...recorded.entry, hash: hashOf('other') }
  const treeBy = (record: BaselineRecord) =>
    folderTree(
      share.root,
      async function* () {
        const row: readonly [TreePath, BaselineRecord] = [pathOf('a'), record]
        yield row
      },
      { onProblem: () => {}, signal }
    )
  const known = (await treeBy({ entry, signature: recorded.signature })).get(pathOf('a'))
  t.is(known?.type === 'file' && known.hash, hashOf('other'), 'the record is believed')
  for (const signature of ['', 'another']) {
    const read = (await treeBy({ entry, signature })).get(pathOf('a'))
    t.is(read?.type === 'file' && read.hash, hashOf('text'))
  }
})
