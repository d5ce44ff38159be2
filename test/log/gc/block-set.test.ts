import { test } from 'brittle'
import fc from 'fast-check'
import { type BlockRun, BlockSet } from '../../../src/log/gc/block-set.ts'
import { holds, must } from '../../support/property.ts'

/** Around the ends of pages too. */
const block = fc.oneof(fc.nat(40), fc.integer({ min: 2 ** 15 - 20, max: 2 ** 15 + 20 }), fc.nat(2 ** 17))
const run = fc
  .tuple(block, fc.oneof(fc.nat(40), fc.nat(2 ** 17)))
  .map(([start, count]) => ({ start, end: start + count }))
const acts = fc.array(fc.oneof(fc.record({ add: fc.array(block) }), fc.record({ remove: run })))

type Act = { readonly add: readonly number[] } | { readonly remove: BlockRun }

/** Does the same to a set of the ordinary kind. */
function apply(act: Act, set: BlockSet, model: Set<number>): void {
  if ('add' in act) {
    for (const it of act.add) set.add(it)
    for (const it of act.add) model.add(it)
    return
  }
  set.remove(act.remove)
  for (const it of [...model]) if (it >= act.remove.start && it < act.remove.end) model.delete(it)
}

function blocksOf(set: BlockSet): number[] {
  return [...set.runs()].flatMap(({ start, end }) => Array.from({ length: end - start }, (_, i) => start + i))
}

test('a set holds the blocks that were added and not removed, for any runs', async (t) => {
  await holds(
    t,
    fc.property(acts, (all) => {
      const [set, model] = [new BlockSet(), new Set<number>()]
      for (const act of all) apply(act, set, model)
      const wanted = [...model].sort((a, b) => a - b)
      const found = blocksOf(set)
      must(found.join() === wanted.join(), `${found.join()} rather than ${wanted.join()}`)
      must(wanted.every((it) => set.has(it)) && !set.has(2 ** 40), 'has() is true for its blocks alone')
    })
  )
})

test('removing a run of any length takes no time', (t) => {
  const set = new BlockSet()
  for (const it of [0, 2 ** 30, 2 ** 45]) set.add(it)
  set.remove({ start: 1, end: 2 ** 50 })
  t.alike([...set.runs()], [{ start: 0, end: 1 }])
})
