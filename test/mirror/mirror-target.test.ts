import { test } from 'brittle'
import type { Head } from '../../src/format/head-codec.ts'
import { changedTarget, knownSince, type TargetInput, wholeTarget } from '../../src/mirror/mirror-target.ts'
import type { Entry } from '../../src/tree/entry.ts'
import { exactFileSystem } from '../../src/tree/file-system.ts'
import { partOf, wholePart } from '../../src/tree/select.ts'
import type { TreeView, Version } from '../../src/tree/tree.ts'
import { directoryOf, fileOf, pathOf, symlinkOf } from '../support/entries.ts'
import { MirroredFolder } from '../support/mirrored-folder.ts'
import { Problems } from '../support/problems.ts'

const foldsCase = { ...exactFileSystem, foldsCase: true }

async function inputOf(
  source: MirroredFolder,
  version: Version,
  options: Partial<TargetInput> = {}
): Promise<TargetInput & { readonly problems: Problems }> {
  const problems = new Problems()
  return {
    log: source.log,
    baseline: source.workspace.baseline,
    version,
    head: await source.log.head(version),
    traits: exactFileSystem,
    safeLinks: false,
    part: wholePart,
    signal: new AbortController().signal,
    onProblem: problems.add,
    onActive: () => {},
    problems,
    ...options
  }
}

/** A file whose content is in the first block. */
function stored(content: string): Entry {
  return fileOf(content, {
    extents: [{ core: 0, block: 0, blocks: 1, offset: 0, length: content.length, packed: false }]
  })
}

function typesIn(tree: TreeView, paths: Iterable<string>): Record<string, string> {
  const types = [...paths].sort().map((path) => [path, tree.get(pathOf(path))?.type ?? 'removed'] as const)
  return Object.fromEntries(types)
}

function record(source: MirroredFolder, entries: Readonly<Record<string, Entry>>): void {
  for (const [path, entry] of Object.entries(entries)) {
    source.workspace.baseline.put(pathOf(path), { entry, signature: '' })
  }
}

test('a whole target has the entries of the version, and removes what else is recorded', async (t) => {
  const source = await MirroredFolder.open(t)
  await source.publish({ a: directoryOf(), 'a/f': 'one', old: 'old' })
  const version = await source.publish({ old: undefined, new: 'new' })
  record(source, { old: stored('old') })
  const { tree, paths, refused } = await wholeTarget(await inputOf(source, version), undefined)
  t.alike(typesIn(tree, paths), { a: 'directory', 'a/f': 'file', new: 'file', old: 'removed' })
  t.is(refused.size, 0)
})

test('a changed target has what changed since, and pending paths, with the directories above', async (t) => {
  const source = await MirroredFolder.open(t)
  const first = await source.publish({ a: directoryOf(), 'a/f': 'one', b: 'b' })
  const version = await source.publish({ 'a/f': 'two' })
  record(source, { a: directoryOf(), b: stored('b') })
  const pending = new Map([[pathOf('p'), symlinkOf('x')]])
  const input = await inputOf(source, version)
  const changed = await changedTarget(input, first, pending)
  t.alike(typesIn(changed.tree, changed.paths), { a: 'directory', 'a/f': 'file', p: 'symlink' })
  const same = await changedTarget(input, version, pending)
  t.alike(typesIn(same.tree, same.paths), { p: 'symlink' }, 'nothing else is read')
  t.alike([...(await changedTarget(input, version, new Map())).paths], [])
})

test('a whole target over a complete version reads only the changes, and knows what is as recorded', async (t) => {
  const source = await MirroredFolder.open(t)
  const first = await source.publish({ a: directoryOf(), b: 'b' })
  const version = await source.publish({ c: 'c' })
  record(source, { a: directoryOf(), b: stored('b') })
  const input = await inputOf(source, version)
  const log: TargetInput['log'] = {
    changes: (from, to, onProblem) => source.log.changes(from, to, onProblem),
    entryAt: (at, path, signal) => source.log.entryAt(at, path, signal),
    entriesAt: () => {
      throw new Error('all entries are read')
    }
  }
  const target = await wholeTarget({ ...input, log }, first)
  t.alike(typesIn(target.tree, target.paths), { a: 'directory', b: 'file', c: 'file' })
  t.ok(target.isRecorded(pathOf('b')))
  t.absent(target.isRecorded(pathOf('c')))
})

const refusals: ReadonlyArray<
  [name: string, entries: Record<string, Entry>, options: Partial<TargetInput>, refused: readonly string[]]
> = [
  ['an extent beyond the contents', { f: stored('x') }, { head: { contentLength: 0 } as Head }, ['f']],
  ['an entry without its directory', { 'd/f': fileOf('') }, {}, ['d/f']],
  ['an entry beneath a link', { l: symlinkOf('x'), 'l/f': fileOf('') }, {}, ['l/f']],
  ['an unsafe link, if told so', { l: symlinkOf('/etc') }, { safeLinks: true }, ['l']],
  ['no link otherwise', { l: symlinkOf('/etc') }, {}, []],
  ['nothing outside the part', { 'd/f': fileOf('') }, { part: partOf({ only: ['docs/'], exclude: [] }) }, []]
]

for (const [name, entries, options, expected] of refusals) {
  test(`a target refuses ${name}`, async (t) => {
    const source = await MirroredFolder.open(t)
    const first = await source.publish({ before: directoryOf() })
    const version = await source.publish(entries)
    const input = await inputOf(source, version, options)
    const whole = await wholeTarget(input, undefined)
    t.alike([...whole.refused], expected)
    t.alike(input.problems.paths, expected)
    for (const path of expected) t.is(whole.tree.get(pathOf(path)), undefined)
    const changed = await changedTarget(await inputOf(source, version, options), first, new Map())
    t.alike([...changed.refused], expected)
    for (const path of expected) t.absent(changed.paths.has(pathOf(path)))
  })
}

test('of what the log itself refuses, only the part concerns anybody', async (t) => {
  const source = await MirroredFolder.open(t)
  const version = await source.publish({ docs: directoryOf() })
  const log: TargetInput['log'] = {
    changes: (from, to, onProblem) => source.log.changes(from, to, onProblem),
    entryAt: (at, path, signal) => source.log.entryAt(at, path, signal),
    async *entriesAt(at, onProblem) {
      for (const path of ['docs/f', 'other/f']) onProblem({ path, action: 'log', message: 'damaged' })
      yield* source.log.entriesAt(at, onProblem)
    }
  }
  const part = partOf({ only: ['docs/'], exclude: [] })
  const input = await inputOf(source, version, { log, part })
  t.alike([...(await wholeTarget(input, undefined)).refused], ['docs/f'])
  t.alike(input.problems.paths, ['docs/f'])
})

test('a refused entry leaves the recorded one', async (t) => {
  const source = await MirroredFolder.open(t)
  const version = await source.publish({ l: symlinkOf('/etc') })
  record(source, { l: symlinkOf('inside') })
  const { tree } = await wholeTarget(await inputOf(source, version, { safeLinks: true }), undefined)
  t.alike(tree.get(pathOf('l')), symlinkOf('inside'))
})

test('where the file system folds names, a colliding path gets another local name, and is reported', async (t) => {
  const source = await MirroredFolder.open(t)
  const version = await source.publish({ name: 'lower', NAME: 'upper' })
  const input = await inputOf(source, version, { traits: foldsCase })
  const { tree, paths } = await wholeTarget(input, undefined)
  t.is(paths.size, 2)
  const sizes = [...paths].map((path) => tree.get(path)?.type)
  t.alike(sizes, ['file', 'file'])
  t.absent(paths.has(pathOf('name')) && paths.has(pathOf('NAME')))
  t.is(input.problems.list.length, 1)
})

test('a complete version leads to another by changes if it is of the same fork and not later', (t) => {
  const at = (length: number, fork = 1): Version => ({ fork, length })
  t.alike(knownSince(at(3), at(5), exactFileSystem), at(3))
  t.alike(knownSince(at(5), at(5), exactFileSystem), at(5))
  t.is(knownSince(at(6), at(5), exactFileSystem), undefined)
  t.is(knownSince(at(3, 2), at(5), exactFileSystem), undefined)
  t.is(knownSince(undefined, at(5), exactFileSystem), undefined)
  t.is(knownSince(at(3), at(5), foldsCase), undefined, 'a new name may change others')
  t.alike(knownSince(at(5), at(5), foldsCase), at(5))
})
