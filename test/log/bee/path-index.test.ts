import { type Assert, test } from 'brittle'
import type Hypercore from 'hypercore'
import { headerLength } from '../../../src/log/bee/entries.ts'
import { type IndexFile, PathIndex } from '../../../src/log/bee/path-index.ts'
import type { LogView } from '../../../src/log/log-view.ts'
import type { LogWriter } from '../../../src/log/writer.ts'
import { log } from '../../../src/query/log.ts'
import type { LogSource } from '../../../src/query/log-source.ts'
import type { Entry } from '../../../src/tree/entry.ts'
import { parentPath } from '../../../src/tree/path.ts'
import { Dice } from '../../simulation/edits.ts'
import { seedsWith } from '../../simulation/seeds.ts'
import { directoryOf, fileOf, pathOf } from '../../support/entries.ts'
import { commit, openWriter } from '../../support/log.ts'

const signal = new AbortController().signal

class MemoryFile implements IndexFile {
  bytes: Buffer | undefined
  reads = 0

  read(): Uint8Array | undefined {
    this.reads++
    return this.bytes
  }

  write(parts: readonly Uint8Array[]): void {
    this.bytes = Buffer.concat(parts)
  }
}

/** Paths that come, change, move and go: many at first, then a few in each of many versions, one of them in parts. */
class Edits {
  readonly #writer: LogWriter
  readonly #dice: Dice
  readonly #files = new Map<string, Entry>()
  readonly known = new Set<string>()
  readonly ends: number[] = []

  constructor(writer: LogWriter, dice: Dice) {
    this.#writer = writer
    this.#dice = dice
  }

  async begin(count: number): Promise<void> {
    const changes: Record<string, Entry> = {}
    for (let i = 0; i < count; i++) {
      const path = `d${i % 7}/e${i % 40}/f${i}`
      for (let above = parentPath(pathOf(path)); above !== ''; above = parentPath(above)) changes[above] = directoryOf()
      changes[path] = this.#put(path)
    }
    await commit(this.#writer, changes)
  }

  async go(versions: number): Promise<void> {
    for (let i = 0; i < versions; i++) {
      if (i % 10 === 4) await commit(this.#writer, this.#some(), { unfinished: true })
      this.ends.push((await commit(this.#writer, this.#some())).length)
    }
  }

  #some(): Record<string, Entry | undefined> {
    const changes: Record<string, Entry | undefined> = {}
    for (let i = 0; i < 1 + this.#dice.roll(16); i++) {
      const [path, entry] = [...this.#files][this.#dice.roll(this.#files.size)] as [string, Entry]
      const to = `d${this.#dice.roll(8)}/e${this.#dice.roll(40)}/n${this.known.size}`
      const roll = this.#dice.roll(4)
      if (path in changes) continue
      if (roll < 2) changes[path] = this.#put(path)
      else {
        changes[path] = undefined
        this.#files.delete(path)
        if (roll === 2) continue
        changes[to] = entry
        this.#files.set(to, entry)
        this.known.add(to)
      }
    }
    return changes
  }

  #put(path: string): Entry {
    const entry = fileOf(`${this.#dice.roll(1e9)}`)
    this.#files.set(path, entry)
    this.known.add(path)
    return entry
  }
}

async function openEdits(t: Assert, seed: number) {
  const { store, writer } = await openWriter(t)
  const dice = new Dice(seed)
  const edits = new Edits(writer, dice)
  await edits.begin(3500)
  await edits.go(150)
  const file = new MemoryFile()
  const core = await store.named('entries')
  const paths = () => {
    const some = Array.from({ length: 4 }, () => [...edits.known][dice.roll(edits.known.size)] as string)
    return [...some, 'd1', 'd2/e2', 'nowhere', 'd1/e']
  }
  return { writer, edits, file, core, dice, paths, view: () => writer.view({ received: () => 0 }, file) }
}

/** The versions that change a path, in the log's order. */
async function toldBy(view: LogView, path: string, since: string | undefined) {
  const records: unknown[] = []
  for await (const record of log(
    { view, settled: async () => {} } as unknown as LogSource,
    { path, ...(since && { since }) },
    signal
  ))
    records.push(record)
  const versions: unknown[] = []
  const latest = await view.finished()
  if (latest === undefined) throw new Error('a log without a version')
  const options = { after: 0, path: pathOf(path), newestFirst: false, signal }
  for await (const { version, before } of view.versions(latest, options)) versions.push([version.length, before])
  return { records, versions }
}

/** That an index makes no difference. */
async function same(t: Assert, writer: LogWriter, view: LogView, paths: readonly string[], dice: Dice): Promise<void> {
  const plain = writer.view({ received: () => 0 })
  const ends: number[] = []
  const latest = await plain.finished()
  if (latest === undefined) throw new Error('a log without a version')
  for await (const { version } of plain.versions(latest, { after: 0, path: '', newestFirst: false, signal }))
    ends.push(version.length)
  for (const path of paths) {
    const since = dice.roll(3) === 0 ? `${ends[dice.roll(ends.length)]}` : undefined
    t.alike(await toldBy(view, path, since), await toldBy(plain, path, since), `${path} since ${since}`)
  }
}

/** How many blocks are read to tell of a path. */
async function blocksFor(core: Hypercore, file: IndexFile, path: string): Promise<number> {
  const runs = await new PathIndex(core, file).runs(pathOf(path), headerLength, core.length)
  return runs.flatMap(({ parts }) => parts).reduce((sum, { start, end }) => sum + end - start, 0)
}

for (const seed of seedsWith()) {
  test(`an index of paths tells what the log does, of fewer blocks (seed ${seed})`, async (t) => {
    const { writer, edits, file, core, dice, paths, view } = await openEdits(t, seed)
    t.is(await blocksFor(core, file, 'nowhere'), core.length - headerLength, 'without it all are read')
    await same(t, writer, view(), paths(), dice)
    const { bytes } = file
    t.ok(bytes, 'it was made when it was asked for')
    t.ok((await blocksFor(core, file, 'nowhere')) < 512, 'an absent path takes few blocks')
    const counts = await Promise.all([...edits.known].slice(0, 20).map((path) => blocksFor(core, file, path)))
    t.ok(Math.min(...counts) < core.length / 3, `${counts} blocks of ${core.length}`)

    await edits.go(20)
    const grown = view()
    await same(t, writer, grown, paths(), dice)
    t.is(file.bytes, bytes, 'for little more it is not written again')
    await edits.go(600)
    await same(t, writer, grown, paths(), dice)
    t.not(file.bytes, bytes)
  })
}

test('an index that is damaged, truncated or of another history counts as missing', async (t) => {
  const { writer, edits, file, core, dice, paths, view } = await openEdits(t, 5)
  await same(t, writer, view(), ['d1'], dice)
  const whole = file.bytes as Buffer
  for (let i = 0; i < 12; i++) {
    const bytes = Buffer.from(whole)
    const at = i < 3 ? i * 4 : dice.roll(bytes.length)
    bytes[at] = (bytes[at] as number) ^ (1 << dice.roll(8))
    file.bytes = bytes
    t.is(await blocksFor(core, file, 'nowhere'), core.length - headerLength, `a bit flipped at ${at}`)
  }
  for (const length of [0, 3, 39, 41, whole.length - 1]) {
    file.bytes = whole.subarray(0, length)
    t.is(await blocksFor(core, file, 'nowhere'), core.length - headerLength, `cut off at ${length}`)
  }
  file.bytes = whole
  const before = view()
  await same(t, writer, before, paths(), dice)
  await core.truncate(edits.ends[60] as number, { fork: 1 })
  await edits.go(120)
  for (const each of [before, view()]) await same(t, writer, each, paths(), dice)
  t.ok((await blocksFor(core, file, 'nowhere')) < core.length / 8, 'it was made anew')
})
