import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import {
  type Keeping,
  type KeptBlocks,
  KeptDirectory,
  type KeptFile,
  removeOldest
} from '../../../src/disk/write/kept-directory.ts'
import type { FileEntry } from '../../../src/tree/entry.ts'
import type { TreePath } from '../../../src/tree/path.ts'
import { fileOf, hashOf, pathOf } from '../../support/entries.ts'
import { step } from '../../support/failpoints.ts'
import { Workshop } from '../../support/materialise.ts'

/** Which files are told to hold blocks, by the path that they had. */
class Blocks implements KeptBlocks {
  readonly held = new Map<KeptFile, TreePath>()

  keep(file: KeptFile, at: TreePath): void {
    this.held.set(file, at)
  }

  unkeep(file: KeptFile): void {
    this.held.delete(file)
  }

  get paths(): string[] {
    return [...this.held.keys()].map(({ path }) => path as string)
  }
}

function entryOf(content: string): FileEntry {
  const extent = { core: 0, block: 3, blocks: 1, offset: 0, length: content.length, packed: false }
  return fileOf(content, { extents: content === '' ? [] : [extent] })
}

/** A folder, what is kept of it, and a clock. */
class Scene {
  readonly root: string
  readonly blocks = new Blocks()
  readonly kept: KeptDirectory
  nowMs = 1_700_000_000_000

  constructor(root: string) {
    this.root = root
    this.kept = new KeptDirectory(root, this.blocks)
  }

  static async open(t: Assert): Promise<Scene> {
    const scene = new Scene(await t.tmp())
    mkdirSync(join(scene.root, '.p2psync'))
    t.alike(scene.kept.open(), [], 'nothing is kept, and no directory made for it')
    mkdirSync(scene.kept.directory)
    return scene
  }

  at(name: string): string {
    return join(this.root, name)
  }

  get names(): string[] {
    return readdirSync(this.kept.directory).sort()
  }

  /** Those of whose content it is known what was kept of them. */
  keeping(contents: Readonly<Record<string, string>>): Keeping {
    const entry = (path: TreePath) => {
      const content = contents[path]
      return content === undefined ? undefined : entryOf(content)
    }
    return this.kept.keeping(entry, () => new Date(this.nowMs))
  }

  /** Keeps a file of the folder. */
  keep(path: string, content: string): boolean {
    writeFileSync(this.at(path), content)
    const keeping = this.keeping({ [path]: content })
    keeping.prepare([pathOf(path)])
    const isKept = keeping.take(pathOf(path), this.at(path))
    keeping.end()
    this.nowMs += 1000
    return isKept
  }

  /** What is kept beyond what may be, by the paths that it had. */
  excess(keepMs: number, bytesMax = Number.POSITIVE_INFINITY): string[] {
    return [...this.kept.excess({ keepMs, bytesMax }, this.nowMs)].map(({ path }) => path as string)
  }

  /** As after a restart. */
  reopen(): { scene: Scene; bare: string[] } {
    const scene = new Scene(this.root)
    scene.nowMs = this.nowMs
    return { scene, bare: scene.kept.open().map(({ path }) => path as string) }
  }
}

const pair = (content: string) => [hashOf(content), `${hashOf(content)}.json`]

test('what is kept has its bytes, a record, and its blocks; all of it is known again after a restart', async (t) => {
  const scene = await Scene.open(t)
  t.ok(scene.keep('file', 'content'))
  t.absent(existsSync(scene.at('file')))
  t.alike(scene.names, pair('content'))
  t.is(readFileSync(join(scene.kept.directory, hashOf('content')), 'utf8'), 'content')
  const { scene: again, bare } = scene.reopen()
  t.alike(bare, [])
  const files = [{ path: 'file', entry: entryOf('content'), keptMs: 1_700_000_000_000 }]
  t.alike(again.kept.files, files)
  t.alike([...again.blocks.held.values()], [`.p2psync/kept/${hashOf('content')}`])
  again.kept.open()
  t.is(again.blocks.held.size, 1, 'once, however often it is opened')
})

test('a record precedes its file, and is removed if the file was not taken', async (t) => {
  const scene = await Scene.open(t)
  const keeping = scene.keeping({ one: '1', two: '2' })
  const records = keeping.prepare([pathOf('one'), pathOf('two'), pathOf('small')])
  const at = (name: string) => join(scene.kept.directory, name)
  t.alike([...records].sort(), [scene.kept.directory, at(`${hashOf('1')}.json`), at(`${hashOf('2')}.json`)].sort())
  t.alike(scene.reopen().bare.sort(), ['one', 'two'], 'a kill here leaves the records, which are told of')
  writeFileSync(scene.at('one'), '1')
  t.ok(keeping.take(pathOf('one'), scene.at('one')))
  t.absent(keeping.take(pathOf('small'), scene.at('small')), 'what is not to be kept is left')
  t.alike([...keeping.takeDirty()], [scene.kept.directory])
  t.alike([...keeping.takeDirty()], [])
  keeping.end()
  t.alike(scene.names, pair('1'))
})

test('no content is kept twice: it has the time and the path that it had last', async (t) => {
  const scene = await Scene.open(t)
  scene.keep('one', 'same')
  scene.keep('other', 'another')
  scene.keep('two', 'same')
  t.alike(scene.names, [...pair('same'), ...pair('another')].sort())
  t.alike(scene.blocks.paths, ['other', 'two'])
  t.alike(scene.reopen().scene.blocks.paths, ['other', 'two'])
  // Prepared, but not taken: all is as before.
  const keeping = scene.keeping({ three: 'same' })
  keeping.prepare([pathOf('three')])
  keeping.end()
  t.alike(scene.reopen().scene.blocks.paths, ['other', 'two'])
})

test('excess names files kept too long and, beyond the size limit, the oldest', async (t) => {
  const scene = await Scene.open(t)
  for (const path of ['a', 'b', 'c']) scene.keep(path, path.repeat(10))
  // A second between each.
  t.alike(scene.excess(3001), [])
  t.alike(scene.excess(3000), ['a'])
  t.alike(scene.excess(2000), ['a', 'b'])
  t.alike(scene.excess(0), ['a', 'b', 'c'])
  t.alike(scene.excess(10_000, 30), [])
  t.alike(scene.excess(10_000, 29), ['a'])
  t.alike(scene.excess(10_000, 9), ['a', 'b', 'c'])
  const [file] = scene.kept.files
  if (file === undefined) return t.fail('nothing is kept')
  scene.kept.giveUp(file)
  t.alike(scene.blocks.paths, ['b', 'c'])
  await scene.kept.remove(file)
  t.alike(scene.excess(10_000, 20), [], 'it counts no more')
  t.alike(scene.names, [...pair('b'.repeat(10)), ...pair('c'.repeat(10))].sort())
})

test('a file without a record stays and is not replaced', async (t) => {
  const scene = await Scene.open(t)
  const foreign = join(scene.kept.directory, hashOf('content'))
  writeFileSync(foreign, 'mine')
  writeFileSync(join(scene.kept.directory, 'notes.json'), 'mine')
  t.absent(scene.keep('file', 'content'))
  t.is(readFileSync(foreign, 'utf8'), 'mine')
  scene.keep('other', 'another')
  const again = scene.reopen().scene
  t.alike(again.blocks.paths, ['other'])
  t.is(removeOldest(scene.root, 1_000_000), 7)
  t.is(readFileSync(foreign, 'utf8'), 'mine')
  t.alike(again.names, [hashOf('content'), `${hashOf('another')}.json`, 'notes.json'].sort())
})

const valid = { format: 1, path: 'a/file', keptMs: 1_700_000_000_000, entry: entryOf('content') }
const records: ReadonlyArray<[what: string, record: unknown]> = [
  ['of another format', { ...valid, format: 2 }],
  ['without a path', { ...valid, path: undefined }],
  ['of a path that leads out', { ...valid, path: '../file' }],
  ['without a time', { ...valid, keptMs: 'now' }],
  ['of another content', { ...valid, entry: entryOf('other') }],
  ['of another size', { ...valid, entry: { ...valid.entry, size: 8 } }],
  ['of a directory', { ...valid, entry: { type: 'directory', mode: 0, mtimeMs: 0 } }],
  ['of no extents', { ...valid, entry: { ...valid.entry, extents: 'none' } }],
  [
    'of an extent before the first',
    { ...valid, entry: { ...valid.entry, extents: [{ ...valid.entry.extents[0], block: -1 }] } }
  ],
  ['that is null', null],
  ['without an entry', { ...valid, entry: null }]
]
test('a file with a damaged record is left alone', async (t) => {
  const { root, kept } = await Scene.open(t)
  const write = (record: unknown) => {
    writeFileSync(join(kept.directory, hashOf('content')), 'content')
    writeFileSync(join(kept.directory, `${hashOf('content')}.json`), JSON.stringify(record))
    const scene = new Scene(root)
    scene.kept.open()
    return scene
  }
  t.is(write(valid).kept.files.length, 1)
  for (const [what, record] of records) {
    const scene = write(record)
    t.is(scene.kept.files.length, 0, what)
    t.alike(scene.names, pair('content'), what)
  }
})

test('open removes an incomplete record of an interrupted run', async (t) => {
  const scene = await Scene.open(t)
  writeFileSync(join(scene.kept.directory, `${hashOf('content')}.json.new`), '{"for')
  t.alike(scene.reopen().bare, [])
  t.alike(scene.names, [])
})

test('of a full disk the oldest goes, as much as is needed; who opens it next finds what has gone', async (t) => {
  const scene = await Scene.open(t)
  for (const path of ['a', 'b', 'c']) scene.keep(path, path.repeat(10))
  t.is(removeOldest(scene.root, 11), 20)
  const { scene: again, bare } = scene.reopen()
  t.alike(bare.sort(), ['a', 'b'])
  t.alike(again.blocks.paths, ['c'])
  for (const path of ['a', 'b'])
    await again.kept.remove({ path: pathOf(path), entry: entryOf(path.repeat(10)), keptMs: 0 })
  t.alike(again.names, pair('c'.repeat(10)))
  t.is(removeOldest(scene.root, 11), 10)
  t.is(removeOldest(scene.root, 11), 0)
  t.is(removeOldest(await t.tmp(), 11), 0, 'where nothing was ever kept')
})

test('a truncation removes the blocks of a kept file, but not the file', async (t) => {
  const scene = await Scene.open(t)
  scene.keep('file', 'content')
  scene.kept.cut({ core: 0, index: 4 })
  t.alike(scene.reopen().scene.blocks.held.size, 1, 'its only block is the one before')
  scene.kept.cut({ core: 1, index: 0 })
  t.alike(scene.reopen().scene.blocks.held.size, 1, 'blocks of another core are none of its')
  scene.kept.cut({ core: 0, index: 3 })
  t.alike(scene.blocks.paths, [])
  const again = scene.reopen().scene
  t.alike(
    again.kept.files.map(({ path, entry }) => [path, entry.extents]),
    [['file', []]]
  )
  t.alike(again.names, pair('content'))
})

/** A workshop that keeps what is replaced. */
async function openWorkshop(t: Assert, contents: Readonly<Record<string, string>>) {
  const shop = await Workshop.open(t)
  for (const [path, content] of Object.entries(contents)) writeFileSync(shop.at(path), content)
  const scene = new Scene(shop.root)
  scene.kept.open()
  return { shop, scene, keeping: scene.keeping(contents) }
}

test('materialising keeps what it replaces, moves over and removes', async (t) => {
  const contents = { replaced: 'r', over: 'o', moved: 'm', removed: 'x', 'a directory now': 'd' }
  const { shop, scene, keeping } = await openWorkshop(t, contents)
  shop.has('new')
  const steps = [
    step.directory('a directory now'),
    step.move('moved', 'over', 'm'),
    step.file('replaced', 'new'),
    step.remove('removed', 'x')
  ]
  const { problems } = await shop.run(steps, { keeping })
  t.alike(problems.list, [])
  t.alike(shop.tree(), { 'a directory now': '/', over: 'm', replaced: 'new' })
  t.alike(scene.names, ['r', 'o', 'x', 'd'].flatMap(pair).sort())
  t.alike(shop.staged(), [])
})

test('what was changed meanwhile is not kept as what it was, nor written down', async (t) => {
  const { shop, scene, keeping } = await openWorkshop(t, { removed: 'x', replaced: 'r' })
  shop.has('new')
  const meanwhile = () => {
    writeFileSync(shop.at('removed'), 'edited')
    writeFileSync(shop.at('replaced'), 'edited too')
  }
  const steps = [step.file('replaced', 'new'), step.remove('removed', 'x')]
  const { changedMeanwhile } = await shop.run(steps, { keeping, meanwhile })
  t.alike([...changedMeanwhile].sort(), ['removed', 'replaced'])
  t.alike(shop.tree(), { removed: 'edited', replaced: 'edited too' })
  t.alike(scene.names, [])
})

test('a file that cannot be kept stays at its path', async (t) => {
  const { shop, scene, keeping } = await openWorkshop(t, { removed: 'x' })
  const prepare: Keeping['prepare'] = (paths) => {
    const records = keeping.prepare(paths)
    // In the place of the file that it is to become.
    if (records.size > 0) mkdirSync(join(scene.kept.directory, hashOf('x')))
    return records
  }
  const { problems } = await shop.run([step.remove('removed', 'x')], { keeping: { ...keeping, prepare } })
  t.alike(problems.paths, ['removed'])
  t.alike(shop.tree(), { removed: 'x' })
  t.alike(shop.staged(), [])
})

test('a record of before a folder could have several content cores is of the first one', async (t) => {
  const scene = await Scene.open(t)
  scene.keep('file', 'content')
  const at = join(scene.kept.directory, `${hashOf('content')}.json`)
  const text = readFileSync(at, 'utf8')
  t.ok(text.includes('"core":0,'))
  writeFileSync(at, text.replace('"core":0,', ''))
  const again = scene.reopen().scene
  t.alike(
    again.kept.files.map(({ entry }) => entry),
    [entryOf('content')]
  )
})
