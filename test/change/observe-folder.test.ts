import { mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import { LiveBaseline } from '../../src/baseline/baseline.ts'
import { type ObserveInput, observedOf, observeFolder } from '../../src/change/observe-folder.ts'
import { observe } from '../../src/disk/read/observe.ts'
import { exactFileSystem } from '../../src/tree/file-system.ts'
import type { Plan } from '../../src/tree/plan.ts'
import { directoryOf, fileOf, hashOf, pathOf } from '../support/entries.ts'
import { Problems } from '../support/problems.ts'
import { tree } from '../support/trees.ts'

const empty = tree({})

async function openRoot(t: Assert) {
  const root = await t.tmp()
  const baseline = new LiveBaseline()
  const problems = new Problems()
  const reads: string[] = []
  const look = (input: Partial<ObserveInput>, traits = exactFileSystem) =>
    observeFolder(
      root,
      { baseline, target: empty, paths: new Set(), full: true, ...input },
      {
        signal: new AbortController().signal,
        traits,
        onProblem: problems.add,
        onRead: () => void reads.push('read')
      }
    )
  /** Records a file as it stands on disk. */
  const record = (path: string, content: string) => {
    const seen = observe(root, new Set([pathOf(path)]), () => {}).get(pathOf(path))
    if (seen?.type !== 'file') throw new Error(`${path} is no file`)
    const extents = [{ core: 0, block: 0, blocks: 1, offset: 0, length: content.length, packed: false }]
    const { mode, mtimeMs, signature } = seen
    baseline.put(pathOf(path), { entry: fileOf(content, { mode, mtimeMs, extents }), signature })
  }
  return { root, baseline, problems, reads, look, record, at: (path: string) => join(root, path) }
}

for (const full of [true, false]) {
  const name = full ? 'a scan of the whole folder' : 'a look at single paths'
  test(`${name}: recorded files aren't read, changed ones are`, async (t) => {
    const { at, look, record, reads, baseline } = await openRoot(t)
    for (const path of ['same', 'changed']) {
      writeFileSync(at(path), 'recorded')
      record(path, 'recorded')
    }
    writeFileSync(at('changed'), 'changed since')
    const paths = new Set(['same', 'changed', 'missing'].map(pathOf))
    const { local, seen, signatures, isUnchanged, unclear } = await look({ paths, full })
    t.ok(reads.length > 0)
    t.alike(local.get(pathOf('same')), baseline.entry(pathOf('same')))
    const changed = local.get(pathOf('changed'))
    t.is(changed?.type === 'file' && changed.hash, hashOf('changed since'))
    t.is(local.get(pathOf('missing')), undefined)
    t.is(seen.get(pathOf('same'))?.type, 'file')
    t.is(signatures.get(pathOf('same')), baseline.records.get(pathOf('same'))?.signature)
    t.is(isUnchanged(pathOf('same')), full, 'only a scan says so')
    t.absent(isUnchanged(pathOf('changed')))
    t.is(unclear.size, 0)
  })
}

test('the user’s own files are not read, unless they may be the log’s', async (t) => {
  const { at, look, reads } = await openRoot(t)
  writeFileSync(at('own'), 'mine')
  const { local, seen } = await look({})
  t.is(local.get(pathOf('own')), undefined)
  t.is(seen.get(pathOf('own'))?.type, 'file')
  t.is(reads.length, 0)
  t.is((await look({ mayBeOurs: (path) => path === 'own' })).local.get(pathOf('own'))?.type, 'file')
  const target = tree({ own: fileOf('wanted') })
  t.is((await look({ target, paths: new Set([pathOf('own')]) })).local.get(pathOf('own'))?.type, 'file')
  t.ok(reads.length > 0)
})

test('links and directories are what they are', async (t) => {
  const { at, look } = await openRoot(t)
  mkdirSync(at('d'), { mode: 0o750 })
  symlinkSync('elsewhere', at('l'))
  const target = tree({ d: directoryOf(), l: fileOf('') })
  const { local } = await look({ target, paths: new Set([pathOf('d'), pathOf('l')]) })
  const [d, l] = [local.get(pathOf('d')), local.get(pathOf('l'))]
  t.is(d?.type === 'directory' && d.mode, 0o750)
  t.is(l?.type === 'symlink' && l.target, 'elsewhere')
})

test('a coarse clock: only a file that was written a moment ago, and is wanted as it is, is not read', async (t) => {
  const { at, look, baseline, reads } = await openRoot(t)
  const traits = { ...exactFileSystem, timeStepMs: 3_600_000 }
  const isRead = async (ageMs: number, recorded: string, wanted = recorded) => {
    const time = new Date(Math.floor(Date.now() / 1000) * 1000 - ageMs)
    writeFileSync(at('f'), 'fresh')
    utimesSync(at('f'), time, time)
    const entry = (content: string) => {
      const extents = [{ core: 0, block: 0, blocks: 1, offset: 0, length: content.length, packed: false }]
      return fileOf(content, { mtimeMs: time.getTime(), extents })
    }
    baseline.put(pathOf('f'), { entry: entry(recorded), signature: '' })
    reads.length = 0
    await look({ target: tree({ f: entry(wanted) }), paths: new Set([pathOf('f')]), full: false }, traits)
    return reads.length > 0
  }
  t.absent(await isRead(0, 'fresh'))
  t.ok(await isRead(7_200_000, 'fresh'), 'by now another change would show')
  t.ok(await isRead(0, 'fresh', 'other'), 'something else is wanted')
  t.ok(await isRead(0, 'longer than it is'), 'its size differs')
})

test('names are realigned before anything is read, where the file system folds them', async (t) => {
  const { root, at, baseline, record } = await openRoot(t)
  writeFileSync(at('NAME'), 'recorded')
  record('NAME', 'recorded')
  const moves: (readonly [string, string])[] = []
  const wanted = fileOf('wanted')
  rmSync(at('NAME'))
  writeFileSync(at('name'), 'recorded')
  await observeFolder(
    root,
    { baseline, target: tree({ name: wanted }), paths: new Set([pathOf('name')]), full: true },
    {
      signal: new AbortController().signal,
      traits: { ...exactFileSystem, foldsCase: true },
      onProblem: () => {},
      onRealigned: async (moved) => void moves.push(...moved)
    }
  )
  t.alike(moves, [['NAME', 'name']])
})

test('what was seen is kept for the paths of a plan, both ends of a move included', (t) => {
  const seen = tree({ a: directoryOf(), b: directoryOf(), c: directoryOf(), d: directoryOf() })
  const plan: Pick<Plan, 'steps'> = {
    steps: [
      { op: 'remove', path: pathOf('a'), entry: fileOf('') },
      { op: 'move', path: pathOf('new'), from: pathOf('b'), entry: fileOf('') },
      { op: 'write', path: pathOf('c'), entry: fileOf('') }
    ]
  }
  const get = (path: string) => (seen.has(pathOf(path)) ? ({ ...directoryOf(), signature: path } as const) : undefined)
  t.alike(
    [...observedOf({ ...plan, conflicts: [], diverged: [], settled: [], forgotten: [] }, { get }).keys()],
    ['a', 'b', 'c']
  )
})
