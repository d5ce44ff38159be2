import { test } from 'brittle'
import { planOver, UnrecordedWrites } from '../../src/mirror/unrecorded-writes.ts'
import type { Entry } from '../../src/tree/entry.ts'
import { partOf, wholePart } from '../../src/tree/select.ts'
import { directoryOf, fileOf, pathOf } from '../support/entries.ts'
import { MirroredFolder } from '../support/mirrored-folder.ts'
import { tree } from '../support/trees.ts'

const go = new AbortController().signal
const [v1, v2, v3] = [fileOf('1'), fileOf('2'), fileOf('3')]

test('statements are read from a real log, since a version, of the given parts', async (t) => {
  const source = await MirroredFolder.open(t)
  const first = await source.publish({ docs: directoryOf(), 'docs/a': '1', b: '1' })
  const second = await source.publish({ 'docs/a': '2', c: '1' })
  const read = async (since: typeof first | undefined, parts = [wholePart]) =>
    [...(await UnrecordedWrites.read(source.log, since, second, parts, go)).paths].sort()
  t.alike(await read(undefined), ['b', 'c', 'docs', 'docs/a'])
  t.alike(await read(first), ['c', 'docs/a'])
  t.alike(await read({ ...first, fork: first.fork + 1 }), ['b', 'c', 'docs', 'docs/a'], 'of another fork')
  t.alike(await read(second), [])
  const docs = partOf({ only: ['docs/a'], exclude: [] })
  t.alike(await read(undefined, [docs]), ['docs', 'docs/a'], 'with the directories above')
  t.alike(await read(undefined, [docs, partOf({ only: ['c'], exclude: [] })]), ['c', 'docs', 'docs/a'])
})

/** What the log has said of `f`, one after the other. */
function writesOf(...entries: readonly (Entry | undefined)[]): Promise<UnrecordedWrites> {
  const log = {
    async *history() {
      for (const entry of entries) yield [pathOf('f'), entry] as const
    }
  }
  return UnrecordedWrites.read(log, undefined, { fork: 1, length: 9 }, [wholePart], go)
}

type Sides = readonly [base: Entry | undefined, local: Entry | undefined, target: Entry | undefined]

const touched = fileOf('2', { mtimeMs: 1000 })
const cases: ReadonlyArray<[name: string, sides: Sides, base: Entry | undefined]> = [
  ['a write of an earlier version counts as recorded', [undefined, v1, v3], v1],
  ['the user’s own content does not', [v1, fileOf('mine'), v3], v1],
  ['what is recorded stays so', [v2, v2, v3], v2],
  ['what is as the version wants it needs no base', [v1, v3, v3], v1],
  ['content without its mode and time follows the log', [v1, touched, v2], undefined]
]

for (const [name, [base, local, target], expected] of cases) {
  test(`the base over unrecorded writes: ${name}`, async (t) => {
    const writes = await writesOf(v1, v2, v3)
    const sides = { base: { get: () => base }, local: { get: () => local }, target: { get: () => target } }
    t.alike(writes.over(sides).get(pathOf('f')), expected)
    t.alike(writes.over(sides).get(pathOf('other')), base, 'the log says nothing of others')
  })
}

test('a deletion that was not recorded is the log’s', async (t) => {
  const writes = await writesOf(v1, undefined, v2)
  const sides = { base: { get: () => v1 }, local: { get: () => undefined }, target: { get: () => v2 } }
  t.is(writes.over(sides).get(pathOf('f')), undefined)
})

test('a plan with conflicts is made again with the log’s history, where that was not read', async (t) => {
  const writes = await writesOf(v1, v2, v3)
  const path = pathOf('f')
  const input = {
    base: tree({}),
    local: tree({ f: v2 }),
    target: tree({ f: v3 }),
    paths: [path],
    holderOf: () => undefined
  }
  let reads = 0
  const read = async () => {
    reads++
    return writes
  }
  const plan = await planOver(input, undefined, read)
  t.alike([plan.conflicts, reads], [[], 1])
  t.is(plan.base.get(path), v2)
  t.alike((await planOver(input, writes, read)).conflicts, [])
  t.alike((await planOver({ ...input, local: tree({ f: fileOf('mine') }) }, writes, read)).conflicts.length, 1)
  t.is(reads, 1, 'it was given already')
  await planOver({ ...input, local: tree({}) }, undefined, read)
  t.is(reads, 1, 'no conflict')
})
