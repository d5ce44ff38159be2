import { test } from 'brittle'
import fc from 'fast-check'
import { joinExtents } from '../../src/publish/ingest.ts'
import type { Extent } from '../../src/tree/entry.ts'
import { holds, must } from '../support/property.ts'

/** A chunk that is a block of its own. */
function bare(block: number, length = 10): Extent {
  return { core: 0, block, blocks: 1, offset: 0, length, packed: false }
}

/** A run of several such blocks. */
function run(block: number, blocks: number, length: number): Extent {
  return { core: 0, block, blocks, offset: 0, length, packed: false }
}

function packed(block: number, offset: number, length = 10): Extent {
  return { core: 0, block, blocks: 1, offset, length, packed: true }
}

const cases: ReadonlyArray<[name: string, extents: Extent[], joined: Extent[]]> = [
  ['returns nothing for nothing', [], []],
  ['keeps a single extent', [bare(3)], [bare(3)]],
  ['joins consecutive blocks', [bare(3, 10), bare(4, 20), bare(5, 5)], [run(3, 3, 35)]],
  ['joins consecutive runs', [run(3, 2, 20), run(5, 2, 30)], [run(3, 4, 50)]],
  ['keeps a gap', [bare(3), bare(5)], [bare(3), bare(5)]],
  ['keeps a repeated block', [bare(3), bare(3)], [bare(3), bare(3)]],
  ['keeps descending blocks apart', [bare(4), bare(3)], [bare(4), bare(3)]],
  ['joins again after a gap', [bare(3), bare(7), bare(8)], [bare(3), run(7, 2, 20)]],
  ['joins no pack to a block', [bare(3), packed(4, 0)], [bare(3), packed(4, 0)]],
  ['joins no block to a pack', [packed(3, 0), bare(4)], [packed(3, 0), bare(4)]],
  ['joins no packs', [packed(3, 0), packed(4, 0)], [packed(3, 0), packed(4, 0)]]
]
for (const [name, extents, joined] of cases) {
  test(`joinExtents ${name}`, (t) => t.alike(joinExtents(extents), joined))
}

test('joinExtents keeps the blocks and their order, in as few extents as possible', (t) => {
  const chunk = fc.oneof(
    fc.nat(4).map((block) => bare(block, block + 1)),
    fc.nat(4).map((block) => packed(block, 5))
  )
  return holds(
    t,
    fc.property(fc.array(chunk, { maxLength: 10 }), (extents) => {
      const joined = joinExtents(extents)
      must(blocksOf(joined).join() === blocksOf(extents).join(), 'the blocks differ')
      must(bytesOf(joined) === bytesOf(extents), 'the length differs')
      must(joinExtents(joined).length === joined.length, 'not everything is joined')
    }),
    { numRuns: 500 }
  )
})

function blocksOf(extents: readonly Extent[]): string[] {
  return extents.flatMap((it) => Array.from({ length: it.blocks }, (_, i) => `${it.block + i}${it.packed ? 'p' : ''}`))
}

function bytesOf(extents: readonly Extent[]): number {
  return extents.reduce((sum, { length }) => sum + length, 0)
}
