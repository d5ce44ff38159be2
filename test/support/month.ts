import { writeMarker } from '../../src/disk/state/marker.ts'
import { openFolder } from '../../src/folder/folder.ts'
import { encodePack } from '../../src/format/pack-codec.ts'
import { encodeRows, type SnapshotRow } from '../../src/format/snapshot-codec.ts'
import { LogStore } from '../../src/log/hypercore/store.ts'
import { LogWriter } from '../../src/log/writer.ts'
import type { Entry, FileEntry } from '../../src/tree/entry.ts'
import { ancestorsOf, sortedAsLog, type TreePath } from '../../src/tree/path.ts'
import { Dice } from '../simulation/edits.ts'
import { bytesOf } from './bytes.ts'
import { directoryOf, hashOf, pathOf, symlinkOf } from './entries.ts'
import { headOf } from './log.ts'

export interface MonthOptions {
  readonly files: number
  readonly versions: number
  readonly seed: number
}

/** A simulated version and its changes. */
export interface SimulatedVersion {
  readonly length: number
  readonly timeMs: number
  readonly changes: ReadonlyMap<TreePath, Entry | undefined>
}

const monthMs = 30 * 24 * 3600 * 1000
const startMs = Date.UTC(2026, 9, 1, 8)
/** Files of one directory. */
const perDirectory = 40
/** Growth of the log in blocks, relative to its entries, before another snapshot: as a source does it. */
const growthMax = 0.25
const snapshotEntriesMin = 500

/** A folder of many versions, written straight into its log: with contents, but without files on disk. */
export class Month {
  readonly folder: string
  readonly versions: SimulatedVersion[] = []
  readonly #dice: Dice
  readonly #tree = new Map<TreePath, Entry>()
  readonly #files: TreePath[] = []
  /** Index of each path in `#files`. */
  readonly #places = new Map<TreePath, number>()
  readonly #totals = { files: 0, directories: 0, symlinks: 0, bytes: 0 }
  readonly #contents = new Map<string, number>()
  #counter = 0

  private constructor(folder: string, seed: number) {
    this.folder = folder
    this.#dice = new Dice(seed)
  }

  static async make(folder: string, { files, versions, seed }: MonthOptions): Promise<Month> {
    const month = new Month(folder, seed)
    const { store: directory, root, marker, lock } = openFolder(folder, { role: 'writer' })
    const store = await LogStore.open(directory)
    try {
      const writer = await LogWriter.open(store)
      writeMarker(root, { ...marker, key: writer.key })
      let snapshotAt = 0
      for (let i = 0; i < versions; i++) {
        await month.#commit(writer, i === 0 ? month.#begin(files) : month.#edit(), startMs + (i * monthMs) / versions)
        const { length = 0 } = writer.version ?? {}
        if (length - snapshotAt < Math.max(snapshotEntriesMin, growthMax * month.#tree.size)) continue
        await month.#publishSnapshot(writer, startMs + (i * monthMs) / versions)
        snapshotAt = length
      }
      await store.flush()
    } finally {
      await store.close()
      lock.release()
    }
    return month
  }

  /** The tree of a version. */
  treeAt(length: number): ReadonlyMap<TreePath, Entry> {
    const tree = new Map<TreePath, Entry>()
    for (const version of this.versions) {
      if (version.length > length) break
      apply(tree, version.changes)
    }
    return tree
  }

  /** The bytes of a file that was in any of the versions. */
  contentOf({ hash, size }: FileEntry): Buffer {
    return contentOf(this.#contents.get(hash) ?? 0, size)
  }

  #begin(files: number): Map<TreePath, FileEntry | Entry | undefined> {
    const changes = new Map<TreePath, Entry | undefined>()
    for (let i = 0; i < files; i++) this.#put(changes, this.#newPath(Math.floor(i / perDirectory)))
    return changes
  }

  /** The edits between two versions: mostly few, occasionally many. */
  #edit(): Map<TreePath, Entry | undefined> {
    const dice = this.#dice
    const changes = new Map<TreePath, Entry | undefined>()
    const what = dice.roll(200)
    if (what === 0) this.#rename(changes)
    else {
      const count = what < 4 ? 300 + dice.roll(300) : 1 + dice.roll(8)
      for (let i = 0; i < count; i++) this.#editOne(changes)
    }
    return changes
  }

  #editOne(changes: Map<TreePath, Entry | undefined>): void {
    const dice = this.#dice
    const path = dice.pick(this.#files)
    const before = this.#tree.get(path)
    if (before?.type !== 'file' || changes.has(path)) return
    const roll = dice.roll(10)
    if (roll < 5) this.#put(changes, path)
    else if (roll < 6) this.#change(changes, path, { ...before, mode: before.mode === 0o644 ? 0o600 : 0o644 })
    else if (roll < 7) this.#change(changes, path, undefined)
    else if (roll < 8) {
      this.#change(changes, path, undefined)
      this.#change(changes, this.#newPath(dice.roll(500)), before)
    } else if (roll < 9) this.#put(changes, this.#newPath(dice.roll(500)))
    else this.#change(changes, pathOf(`links/l${dice.roll(50)}`), symlinkOf(path, { mtimeMs: this.#now() }))
  }

  /** Moves a directory with its contents. */
  #rename(changes: Map<TreePath, Entry | undefined>): void {
    const path = this.#dice.pick(this.#files)
    const from = path.slice(0, path.lastIndexOf('/') + 1)
    const to = `moved/${this.#counter++}/`
    for (const each of this.#files.filter((other) => other.startsWith(from))) {
      const entry = this.#tree.get(each)
      this.#change(changes, each, undefined)
      this.#change(changes, pathOf(to + each.slice(from.length)), entry)
    }
  }

  #newPath(directory: number): TreePath {
    return pathOf(`area ${directory % 20}/dir ${directory}/file ${this.#counter++}.txt`)
  }

  #now(): number {
    return startMs + this.#counter++
  }

  #put(changes: Map<TreePath, Entry | undefined>, path: TreePath): void {
    const number = ++this.#counter
    const size = this.#dice.roll(20) === 0 ? 0 : 20 + this.#dice.roll(1500)
    const content = contentOf(number, size)
    const hash = hashOf(content)
    this.#contents.set(hash, number)
    this.#change(changes, path, { type: 'file', mode: 0o644, mtimeMs: this.#now(), size, hash, extents: [] })
  }

  /** Changes a path and creates missing parent directories. Emptied directories stay. */
  #change(changes: Map<TreePath, Entry | undefined>, path: TreePath, entry: Entry | undefined): void {
    changes.set(path, entry)
    for (const above of ancestorsOf(path)) {
      if (!this.#tree.has(above) && entry !== undefined) changes.set(above, directoryOf({ mtimeMs: this.#now() }))
    }
  }

  async #commit(writer: LogWriter, planned: Map<TreePath, Entry | undefined>, timeMs: number): Promise<void> {
    const changes = new Map<TreePath, Entry | undefined>()
    let pack: { readonly path: TreePath; readonly entry: FileEntry; readonly bytes: Buffer }[] = []
    let bytes = 0
    const flush = async () => {
      if (pack.length === 0) return
      const block = writer.content.length
      await writer.appendBlocks([await encodePack(pack.map((each) => each.bytes))])
      let offset = 0
      for (const each of pack) {
        const { length } = each.bytes
        changes.set(each.path, {
          ...each.entry,
          extents: [{ core: 0, block, blocks: 1, offset, length, packed: true }]
        })
        offset += length
      }
      pack = []
      bytes = 0
    }
    for (const [path, entry] of planned) {
      changes.set(path, entry)
      if (entry?.type !== 'file' || entry.size === 0 || entry.extents.length > 0) continue
      const content = this.contentOf(entry)
      pack.push({ path, entry, bytes: content })
      bytes += content.length
      if (bytes > 256 * 1024) await flush()
    }
    await flush()
    this.#apply(changes)
    const { length } = await writer.commit(changes, this.#head(writer, timeMs, changes.size))
    this.versions.push({ length, timeMs, changes })
  }

  #head(writer: LogWriter, timeMs: number, puts: number) {
    return headOf({ ...this.#totals, timeMs, puts, contentLength: writer.content.length })
  }

  #apply(changes: ReadonlyMap<TreePath, Entry | undefined>): void {
    for (const [path, entry] of changes) {
      const before = this.#tree.get(path)
      if (before !== undefined) this.#count(before, -1)
      if (entry !== undefined) this.#count(entry, 1)
      const [was, is] = [before?.type === 'file', entry?.type === 'file']
      if (is && !was) this.#places.set(path, this.#files.push(path) - 1)
      if (was && !is) this.#forget(path)
    }
    apply(this.#tree, changes)
  }

  #count(entry: Entry, by: number): void {
    if (entry.type === 'file') {
      this.#totals.files += by
      this.#totals.bytes += by * entry.size
    } else if (entry.type === 'directory') this.#totals.directories += by
    else this.#totals.symlinks += by
  }

  /** The last file takes its index. */
  #forget(path: TreePath): void {
    const last = this.#files.pop() as TreePath
    const place = this.#places.get(path) as number
    this.#places.delete(path)
    if (last === path) return
    this.#files[place] = last
    this.#places.set(last, place)
  }

  async #publishSnapshot(writer: LogWriter, timeMs: number): Promise<void> {
    const rows: SnapshotRow[] = sortedAsLog(this.#tree.keys()).map((path) => [path, this.#tree.get(path) as Entry])
    const blocks: Buffer[] = []
    for await (const block of encodeRows(rows)) blocks.push(block)
    const { length } = await writer.publishSnapshot(blocks, rows.length, timeMs)
    this.versions.push({ length, timeMs, changes: new Map() })
  }
}

function apply(tree: Map<TreePath, Entry>, changes: ReadonlyMap<TreePath, Entry | undefined>): void {
  for (const [path, entry] of changes) {
    if (entry === undefined) tree.delete(path)
    else tree.set(path, entry)
  }
}

/** Half of it compresses. */
function contentOf(number: number, size: number): Buffer {
  return Buffer.concat([
    Buffer.from(`${number} `.repeat(size)).subarray(0, size >> 1),
    bytesOf(size - (size >> 1), number)
  ])
}
