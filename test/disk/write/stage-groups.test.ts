import { test } from 'brittle'
import { chunkBytesMin } from '../../../src/chunk/chunker.ts'
import { type StageGroup, stageGroups, type WriteStep } from '../../../src/disk/write/stage-groups.ts'
import { blockKey } from '../../../src/tree/block-ref.ts'
import { fileOf, pathOf, symlinkOf } from '../../support/entries.ts'

const small = (block: number, offset: number) =>
  fileOf('x', { extents: [{ core: 0, block, blocks: 1, offset, length: 1, packed: true }] })
const write = (path: string, entry: WriteStep['entry']): WriteStep => ({ op: 'write', path: pathOf(path), entry })
/** Of two packs in turns. */
const many = Array.from({ length: 8 }, (_, i) => write(`file-${i}`, small(i % 2, i)))

/** What the groups are, in short. */
function said(steps: readonly WriteStep[]): readonly string[] {
  const nameOf = (source: StageGroup['source']) => (typeof source === 'string' ? source : blockKey(source))
  return stageGroups(steps).map((group) => `${nameOf(group.source)}: ${group.steps.map(({ path }) => path).join(' ')}`)
}

test('files that lie in one pack are staged together, in the order in which packs come', (t) => {
  t.alike(said(many), ['0/0: file-0 file-2 file-4 file-6', '0/1: file-1 file-3 file-5 file-7'])
})

test('a few files are staged one by one', (t) => {
  t.alike(said(many.slice(0, 3)), ['single: file-0', 'single: file-1', 'single: file-2'])
})

test('empty files are staged together; links, copies, large files and those of several pieces by themselves', (t) => {
  const [piece] = small(7, 0).extents
  const alone = [
    write('link', symlinkOf('file-0')),
    { ...write('copy', small(0, 100)), copyOf: pathOf('file-0') },
    write('large', { ...small(0, 0), size: chunkBytesMin }),
    write('pieces', { ...small(0, 0), extents: [piece, piece] as never }),
    write('bare', { ...small(0, 0), extents: [{ ...(piece as NonNullable<typeof piece>), packed: false }] })
  ]
  const empty = [write('empty-1', fileOf('')), write('empty-2', fileOf(''))]
  t.alike(said([...alone, ...empty, ...many]), [
    ...alone.map(({ path }) => `single: ${path}`),
    'nothing: empty-1 empty-2',
    '0/0: file-0 file-2 file-4 file-6',
    '0/1: file-1 file-3 file-5 file-7'
  ])
})
