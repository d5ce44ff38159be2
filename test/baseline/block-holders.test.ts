import { linkSync, lstatSync, mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import { BlockHolders } from '../../src/baseline/block-holders.ts'
import { isRacy, signatureOf } from '../../src/disk/read/seen.ts'
import type { BaselineRecord } from '../../src/tree/diff.ts'
import type { Extent } from '../../src/tree/entry.ts'
import type { TreePath } from '../../src/tree/path.ts'
import { bytesOf } from '../support/bytes.ts'
import { fileOf, pathOf } from '../support/entries.ts'
import { until } from '../support/until.ts'

const size = 1000
const offsetOf = async (block: number) => block * size

const refOf = (index: number, core = 0) => ({ core, index })

/** A run of blocks of a thousand bytes each. */
function run(block: number, blocks: number, more: Partial<Extent> = {}): Extent {
  return { core: 0, block, blocks, offset: 0, length: blocks * size, packed: false, ...more }
}

class Folder {
  readonly root: string
  readonly records = new Map<TreePath, BaselineRecord>()
  readonly holders: BlockHolders

  constructor(t: Assert, root: string) {
    this.root = root
    this.holders = new BlockHolders(root)
    this.holders.follow(this.records)
    t.teardown(() => this.holders.close())
  }

  static async open(t: Assert): Promise<Folder> {
    return new Folder(t, await t.tmp())
  }

  at(name: string): string {
    return join(this.root, name)
  }

  /** Writes a file and records its blocks. */
  async write(name: string, bytes: Buffer, extents: readonly Extent[]): Promise<void> {
    writeFileSync(this.at(name), bytes)
    await this.record(name, bytes, extents)
  }

  async record(name: string, bytes: Buffer, extents: readonly Extent[]): Promise<void> {
    await until(() => !isRacy(lstatSync(this.at(name)), Date.now()), { what: 'the clock of file times' })
    const record = { entry: fileOf(bytes, { extents }), signature: signatureOf(lstatSync(this.at(name))) }
    this.records.set(pathOf(name), record)
    this.holders.set(pathOf(name), record.entry)
  }

  remove(name: string): void {
    this.records.delete(pathOf(name))
    this.holders.set(pathOf(name), undefined)
  }

  async read(block: number): Promise<string> {
    const found = await this.holders.read(refOf(block), size, offsetOf)
    return found === undefined ? 'nothing' : `${found.bytes.length} ${found.bytes[0]} ${found.certain}`
  }
}

/** A thousand bytes of each number. */
function numbered(...numbers: readonly number[]): Buffer {
  return Buffer.concat(numbers.map((number) => Buffer.alloc(size, number)))
}

test('a block is read from a file that holds it', async (t) => {
  const folder = await Folder.open(t)
  mkdirSync(folder.at('a'))
  await folder.write('a/file', numbered(1, 2, 3, 4), [run(10, 2), run(20, 2)])
  for (const [block, number] of [
    [10, 1],
    [11, 2],
    [20, 3],
    [21, 4]
  ] as const) {
    t.is(await folder.read(block), `1000 ${number} true`)
  }
  t.is(await folder.read(12), 'nothing')
  folder.remove('a/file')
  t.is(await folder.read(10), 'nothing')
  t.alike(folder.holders.takeDropped(), [run(10, 2), run(20, 2)])
  t.alike(folder.holders.takeDropped(), [])
})

test('of several files that hold a block, an unchanged one is read', async (t) => {
  const folder = await Folder.open(t)
  await folder.write('one', numbered(1, 2), [run(10, 2)])
  await folder.write('two', numbered(9, 2), [run(30, 1), run(11, 1)])
  writeFileSync(folder.at('one'), numbered(7, 7))
  t.is(await folder.read(11), '1000 2 true')
  t.is(await folder.read(10), '1000 7 false', 'a block from a changed file is uncertain')
  rmSync(folder.at('one'))
  t.is(await folder.read(10), 'nothing')
  t.ok(folder.holders.isHeld(refOf(11)))
  folder.remove('two')
  t.ok(folder.holders.isHeld(refOf(11)))
  folder.remove('one')
  t.absent(folder.holders.isHeld(refOf(11)))
})

test('a renamed file holds its blocks once it is recorded', async (t) => {
  const folder = await Folder.open(t)
  await folder.write('old', numbered(1), [run(10, 1)])
  renameSync(folder.at('old'), folder.at('new'))
  folder.remove('old')
  await folder.record('new', numbered(1), [run(10, 1)])
  t.is(await folder.read(10), '1000 1 true')
})

test('extents that are packed, begin within a block or are too short hold no block', async (t) => {
  const folder = await Folder.open(t)
  await folder.write('odd', numbered(1, 2, 3), [
    run(10, 1, { offset: 1 }),
    run(11, 1, { packed: true }),
    run(12, 1, { length: 500 })
  ])
  for (const block of [10, 11, 12]) t.is(await folder.read(block), 'nothing')
})

test('a run of any claimed length is indexed in constant time', async (t) => {
  const folder = await Folder.open(t)
  await folder.write('wide', numbered(1, 2), [run(0, 2 ** 40, { length: 2000 })])
  t.is(await folder.read(1), '1000 2 true')
  t.is(await folder.read(2 ** 39), 'nothing')
  folder.remove('wide')
  t.absent(folder.holders.isHeld(refOf(1)))
})

test('links are not followed, and a file in place of another is uncertain', async (t) => {
  const folder = await Folder.open(t)
  const outside = join(await t.tmp(), 'outside')
  writeFileSync(outside, numbered(1))
  await folder.write('file', numbered(1), [run(10, 1)])
  rmSync(folder.at('file'))
  symlinkSync(outside, folder.at('file'))
  t.is(await folder.read(10), 'nothing')
  rmSync(folder.at('file'))
  linkSync(outside, folder.at('file'))
  t.is(await folder.read(10), '1000 1 false')
  rmSync(folder.at('file'))
  mkdirSync(folder.at('file'))
  t.is(await folder.read(10), 'nothing')
})

test('a changed file is uncertain even when its times are restored', async (t) => {
  const folder = await Folder.open(t)
  await folder.write('file', numbered(1), [run(10, 1)])
  const { atime, mtime } = lstatSync(folder.at('file'))
  t.is(await folder.read(10), '1000 1 true')
  writeFileSync(folder.at('file'), numbered(2))
  utimesSync(folder.at('file'), atime, mtime)
  t.is(await folder.read(10), '1000 2 false')
})

test('a file being received is read as far as it is written, even after a rename', async (t) => {
  const folder = await Folder.open(t)
  writeFileSync(folder.at('part'), numbered(1, 2, 3))
  const entry = fileOf(numbered(1, 2, 3, 4), { extents: [run(10, 4)] })
  const staged = folder.holders.stage(entry, folder.at('part'), 2 * size)
  t.is(await folder.read(10), '1000 1 false', 'bytes of an earlier attempt are uncertain')
  staged.trusted = 3 * size
  t.is(await folder.read(12), '1000 3 true')
  t.is(await folder.read(13), 'nothing')
  renameSync(folder.at('part'), folder.at('there'))
  t.is(await folder.read(11), '1000 2 true')
  folder.holders.follow(new Map())
  t.is(await folder.read(11), '1000 2 true', 'it stays when the baseline changes')
  folder.holders.unstage(staged)
  t.is(await folder.read(11), 'nothing')
})

test('blocks of many files are read in turn', async (t) => {
  const folder = await Folder.open(t)
  for (let i = 0; i < 40; i++) await folder.write(`file ${i}`, bytesOf(size, i), [run(i, 1)])
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 40; i++) {
      const found = await folder.holders.read(refOf(i), size, offsetOf)
      if (!found?.certain || !found.bytes.equals(bytesOf(size, i))) t.fail(`file ${i}`)
    }
  }
  t.pass()
})

test('a replaced file that is kept holds the blocks that match the log', async (t) => {
  const folder = await Folder.open(t)
  const entry = fileOf(numbered(1, 2), { extents: [run(10, 2)] })
  const kept = { path: pathOf('old'), entry, keptMs: 0 }
  const at = '.p2psync/kept/content'
  mkdirSync(folder.at('.p2psync/kept'), { recursive: true })
  writeFileSync(folder.at(at), numbered(1, 2))
  // The record of the replacing file is outdated for a moment, so other bytes are found there.
  await folder.write('old', numbered(8, 9), [run(10, 2)])
  writeFileSync(folder.at('old'), numbered(7, 7))
  folder.holders.keep(kept, at as TreePath)
  const isBlock = async (bytes: Uint8Array) => bytes[0] === 1 || bytes[0] === 2
  const read = async (block: number) =>
    (await folder.holders.read(refOf(block), size, offsetOf, isBlock))?.bytes[0] ?? 'nothing'
  t.alike([await read(10), await read(11)], [1, 2])
  folder.holders.follow(new Map())
  t.alike([await read(10), await read(11)], [1, 2], 'it stays when the baseline changes')
  t.is(await folder.read(10), '1000 1 false', 'uncertain, since nobody watches it')
  writeFileSync(folder.at(at), numbered(1, 3))
  t.alike([await read(10), await read(11)], [1, 'nothing'], 'changed bytes match no block')
  t.ok(folder.holders.isHeld(refOf(10)))
  folder.holders.unkeep(kept)
  t.absent(folder.holders.isHeld(refOf(10)))
  t.alike(folder.holders.takeDropped(), [run(10, 2)])
  t.is(await read(10), 'nothing')
})

test('blocks with one index in two cores are different blocks', async (t) => {
  const folder = await Folder.open(t)
  await folder.write('one', Buffer.alloc(size, 1), [run(10, 1)])
  await folder.write('other', Buffer.alloc(size, 2), [run(10, 1, { core: 3 })])
  const read = async (core: number) => (await folder.holders.read(refOf(10, core), size, offsetOf))?.bytes[0]
  t.alike([await read(0), await read(3), await read(1)], [1, 2, undefined])
  t.ok(folder.holders.isHeld(refOf(10, 3)))
  t.absent(folder.holders.isHeld(refOf(10, 1)))
  folder.remove('other')
  t.absent(folder.holders.isHeld(refOf(10, 3)))
  t.ok(folder.holders.isHeld(refOf(10)), 'the block of the other core stays')
  t.alike(
    folder.holders.takeDropped().map(({ core, block }) => [core, block]),
    [[3, 10]]
  )
})
