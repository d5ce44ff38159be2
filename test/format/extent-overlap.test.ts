import { test } from 'brittle'
import fc from 'fast-check'
import { overlapInPart } from '../../src/format/extent-overlap.ts'
import type { Extent } from '../../src/tree/entry.ts'
import { holds, must } from '../support/property.ts'

function run(block: number, blocks = 1, { offset = 0, length = 10 } = {}): Extent {
  return { core: 0, block, blocks, offset, length, packed: false }
}

function packed(block: number, offset: number, length = 10): Extent {
  return { core: 0, block, blocks: 1, offset, length, packed: true }
}

const cases: ReadonlyArray<[name: string, extents: readonly Extent[], overlap: boolean]> = [
  ['takes nothing', [], false],
  ['takes blocks in any order', [run(7), run(3, 2), run(5)], false],
  ['takes a block that repeats', [run(3), run(4), run(3)], false],
  ['takes runs that share whole blocks', [run(3, 2), run(4, 2)], false],
  ['takes a run within another', [run(3, 5), run(4)], false],
  ['takes a run cut at its start that repeats', [run(3, 1, { offset: 5 }), run(3, 1, { offset: 5 })], false],
  ['refuses a block from two offsets', [run(3, 1, { offset: 5 }), run(3, 1, { offset: 6 })], true],
  ['refuses a block whole and cut at its start', [run(3), run(3, 1, { offset: 5 })], true],
  ['refuses a run that begins within the end of another', [run(1, 3), run(3, 1, { offset: 5 })], true],
  ['refuses a run that ends in what another begins within', [run(3, 2, { offset: 5 }), run(4)], true],
  ['refuses a run far behind that reaches into it', [run(3, 9, { offset: 5 }), run(5), run(11)], true],
  ['refuses the same blocks with different lengths', [run(3, 1, { length: 9 }), run(3)], true],
  ['takes ranges of a pack side by side, in any order', [packed(3, 10), packed(3, 0), packed(3, 20)], false],
  ['takes a range of a pack that repeats', [packed(3, 0), packed(3, 10), packed(3, 0)], false],
  ['refuses ranges of a pack that overlap', [packed(3, 0), packed(3, 9)], true],
  ['refuses a range within another', [packed(3, 0, 30), packed(3, 10)], true],
  ['refuses ranges that begin together', [packed(3, 0, 9), packed(3, 0)], true],
  ['takes the same range of two packs', [packed(3, 0), packed(4, 0)], false],
  ['refuses a block that is a pack and bare', [packed(3, 0), run(3)], true],
  ['takes the same blocks of two cores', [run(3), { ...run(3, 1, { offset: 5 }), core: 1 }], false],
  ['refuses what overlaps in a core behind others', [{ ...run(9), core: 1 }, run(3), run(3, 1, { offset: 5 })], true],
  ['refuses a pack within a run', [run(2, 3), packed(3, 0)], true]
]
for (const [name, extents, overlap] of cases) {
  test(`overlapInPart ${name}`, (t) => {
    t.is(overlapInPart(extents), overlap)
    t.is(overlapInPart([...extents].reverse()), overlap, 'in any order')
  })
}

test('overlapInPart finds what a comparison of all pairs finds', (t) => {
  const few = fc.nat(3)
  const ofOneCore = fc.oneof(
    fc
      .tuple(few, fc.integer({ min: 1, max: 3 }), fc.nat(1))
      .map(([block, blocks, offset]) => run(block, blocks, { offset })),
    fc.tuple(few, few, fc.integer({ min: 1, max: 3 })).map(([block, offset, length]) => packed(block, offset, length))
  )
  const extent = fc.tuple(ofOneCore, fc.constantFrom(0, 0, 0, 1)).map(([it, core]) => ({ ...it, core }))
  return holds(
    t,
    fc.property(fc.array(extent, { maxLength: 5 }), (extents) => {
      const expected = extents.some((a, i) => extents.slice(i + 1).some((b) => pairOverlaps(a, b)))
      must(overlapInPart(extents) === expected, `${expected} by pairs`)
    }),
    { numRuns: 2000 }
  )
})

function pairOverlaps(a: Extent, b: Extent): boolean {
  if (JSON.stringify(a) === JSON.stringify(b) || a.core !== b.core) return false
  if (a.block >= b.block + b.blocks || b.block >= a.block + a.blocks) return false
  if (a.packed !== b.packed) return true
  if (a.packed) return a.offset < b.offset + b.length && b.offset < a.offset + a.length
  if (a.offset > 0 || b.offset > 0) return true
  return a.block === b.block && a.blocks === b.blocks && a.length !== b.length
}

test('overlapInPart is quick with as many extents as an entry may have', (t) => {
  const extents = Array.from({ length: 1 << 18 }, (_, i) => packed((i * 7919) % 1000, 10 * ((i * 104_729) % 100)))
  const startMs = performance.now()
  overlapInPart(extents)
  t.ok(performance.now() - startMs < 5000)
})
