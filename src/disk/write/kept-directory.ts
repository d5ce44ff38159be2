import { lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { isDiskFull, systemCode } from '../../errors.ts'
import { reached } from '../../failpoints.ts'
import { type BlockRef, firstCore } from '../../tree/block-ref.ts'
import { type Extent, type FileEntry, mtimeMsMax, permissionBits } from '../../tree/entry.ts'
import { childPath, parseTreePath, stateDirectoryName, type TreePath } from '../../tree/path.ts'
import { isAbsence } from '../path/beneath.ts'
import { makeDurable } from '../path/durable.ts'

/** A file of the log's that was replaced or removed in the folder, and whose bytes are kept. */
export interface KeptFile {
  /** The path that it had. */
  readonly path: TreePath
  /** What the log said of it there. */
  readonly entry: FileEntry
  /** When it left its path, in milliseconds since 1970. */
  readonly keptMs: number
}

/** Keeps account of what is kept, so that its blocks can be read from there. */
export interface KeptBlocks {
  /** Takes note of a file that lies at `at`, beneath the folder but not of its tree. */
  keep(file: KeptFile, at: TreePath): void
  unkeep(file: KeptFile): void
}

/** How long what was replaced is kept. */
export interface Retention {
  readonly keepMs: number
  /** What all of it may take of the disk. */
  readonly bytesMax: number
}

/** What becomes of what a plan takes out of a folder. */
export interface Keeping {
  /**
   * Makes ready to keep what stands at these paths.
   *
   * @returns what has to be durable before anything is taken from there
   */
  prepare(paths: Iterable<TreePath>): ReadonlySet<string>
  /** Takes over the file that has come out of a path. @param taken where it is now @returns whether it is kept */
  take(path: TreePath, taken: string): boolean
  /** The directories that have changed since the last call, by absolute path. */
  takeDirty(): ReadonlySet<string>
  /** Nothing more is taken. */
  end(): void
}

/** All are known in memory; beyond so many the oldest go. */
const keptFilesMax = 100_000
const format = 1
const recordName = /^([0-9a-f]{64})\.json$/
/** Ends the name of a record that is being written. */
const newEnding = '.new'

/** Where what was replaced is kept, seen from the folder: on its file system, so that a rename moves it there. */
const keptPath = childPath(childPath('', stateDirectoryName), 'kept')

/**
 * The large files that a folder has lost to the log, whose contents are nowhere else: `.p2psync/kept/` in the folder.
 * The file is called by the SHA-256 of its content, so that none is kept twice; its record by the same and `.json`.
 *
 * FORMAT of a record: `{"format":1,"path":"a/b","keptMs":1700000000000,"entry":{"type":"file","mode":420,"mtimeMs":…,
 * "size":…,"hash":"…","extents":[{"core":0,"block":…,"blocks":…,"offset":…,"length":…,"packed":false}]}}`.
 *
 * A record is durable before its file comes, and goes after it. So a file without a record isn't ours, and stays; and a
 * record without a file is of one that never came, or has gone.
 */
export class KeptDirectory {
  readonly directory: string
  readonly #blocks: KeptBlocks
  /** By hash, the oldest first. */
  readonly #files = new Map<string, KeptFile>()
  #bytes = 0

  constructor(root: string, blocks: KeptBlocks) {
    this.directory = join(root, keptPath)
    this.#blocks = blocks
  }

  /**
   * Reads what is kept.
   *
   * @returns what was to be kept, or given up, when a run was cut off: it has a record, but no file
   */
  open(): readonly KeptFile[] {
    for (const file of this.#files.values()) this.#blocks.unkeep(file)
    this.#files.clear()
    this.#bytes = 0
    const { kept, bare } = readKept(this.directory)
    for (const file of kept) this.#note(file)
    return bare
  }

  /** What is kept, the oldest first. */
  get files(): readonly KeptFile[] {
    return [...this.#files.values()]
  }

  /** What is kept longer than it shall be, or beyond what all may take. */
  *excess({ keepMs, bytesMax }: Retention, nowMs: number): Generator<KeptFile> {
    let { size: count } = this.#files
    let bytes = this.#bytes
    for (const file of this.#files.values()) {
      if (nowMs - file.keptMs < keepMs && bytes <= bytesMax && count <= keptFilesMax) return
      yield file
      bytes -= file.entry.size
      count--
    }
  }

  get(hash: string): KeptFile | undefined {
    return this.#files.get(hash)
  }

  /** @param entryOf what is to be kept of what stands at a path, as it was matched with the log */
  keeping(entryOf: (path: TreePath) => FileEntry | undefined, now: () => Date): Keeping {
    const prepared = new Map<TreePath, KeptFile>()
    let isDirty = false
    return {
      prepare: (paths) => {
        const records = new Set<string>()
        for (const path of paths) {
          const entry = entryOf(path)
          if (entry === undefined || this.#isForeign(entry.hash)) continue
          const file = { path, entry, keptMs: now().getTime() }
          if (!this.#write(file)) continue
          prepared.set(path, file)
          records.add(this.#recordOf(entry.hash))
        }
        if (records.size === 0) return records
        reached('kept-noted')
        return records.add(this.directory)
      },
      take: (path, taken) => {
        const file = prepared.get(path)
        if (file === undefined) return false
        this.#take(file, taken)
        prepared.delete(path)
        isDirty = true
        return true
      },
      takeDirty: () => {
        const dirty = isDirty ? [this.directory] : []
        isDirty = false
        return new Set(dirty)
      },
      end: () => {
        try {
          for (const { entry } of prepared.values()) this.#unprepare(entry.hash)
        } catch (error) {
          if (systemCode(error) === undefined) throw error // What stays is found at the next start.
        }
        prepared.clear()
      }
    }
  }

  /** Keeps a file that was taken out of the folder before. @param taken where it is @returns whether it is kept */
  async adopt(file: KeptFile, taken: string): Promise<boolean> {
    const { hash } = file.entry
    if (this.#isForeign(hash) || !this.#write(file)) return false
    await makeDurable(new Set([this.#recordOf(hash), this.directory]), this.directory)
    this.#take(file, taken)
    return true
  }

  /** From a block on there will be others: files that reach so far hold none any more, but their bytes stay. */
  cut({ core, index }: BlockRef): void {
    for (const file of this.files) {
      const reaches = (extent: Extent) => extent.core === core && extent.block + extent.blocks > index
      if (!file.entry.extents.some(reaches)) continue
      const bare = { ...file, entry: { ...file.entry, extents: [] } }
      this.#blocks.unkeep(file)
      this.#files.set(file.entry.hash, bare)
      this.#write(bare)
    }
  }

  /** Nothing is read of a file any more: it is about to be removed. */
  giveUp(file: KeptFile): void {
    this.#blocks.unkeep(file)
  }

  /** Removes a file, if it is there, and its record. */
  async remove({ entry: { hash } }: KeptFile): Promise<void> {
    const known = this.#files.get(hash)
    if (known !== undefined) this.#bytes -= known.entry.size
    this.#files.delete(hash)
    // What has no record isn't ours: it goes last.
    if (known !== undefined) await unlink(this.#fileOf(hash)).catch(unlessAbsent)
    reached('kept-removed')
    await unlink(this.#recordOf(hash)).catch(unlessAbsent)
  }

  #take(file: KeptFile, taken: string): void {
    // The same content is there already, perhaps: this one is as good, and was seen just now.
    renameSync(taken, this.#fileOf(file.entry.hash))
    reached('kept')
    const before = this.#files.get(file.entry.hash)
    if (before !== undefined) {
      this.#blocks.unkeep(before)
      this.#bytes -= before.entry.size
      this.#files.delete(file.entry.hash)
    }
    this.#note(file)
  }

  #note(file: KeptFile): void {
    const { hash, size } = file.entry
    this.#files.set(hash, file)
    this.#bytes += size
    this.#blocks.keep(file, childPath(keptPath, hash))
  }

  #unprepare(hash: string): void {
    const known = this.#files.get(hash)
    if (known === undefined) rmSync(this.#recordOf(hash), { force: true })
    else this.#write(known)
  }

  /** Whether something of another's has the name of a content. */
  #isForeign(hash: string): boolean {
    return !this.#files.has(hash) && lstatSync(this.#fileOf(hash), { throwIfNoEntry: false }) !== undefined
  }

  /** Writes a record. @returns `false` where the disk has no room for it: what is to make some isn't held up by that */
  #write(file: KeptFile): boolean {
    const path = this.#recordOf(file.entry.hash)
    try {
      makeDirectory(this.directory)
      writeFileSync(path + newEnding, `${JSON.stringify({ format, ...file })}\n`, { mode: 0o600 })
      renameSync(path + newEnding, path)
      return true
    } catch (error) {
      rmSync(path + newEnding, { force: true })
      if (isDiskFull(error)) return false
      throw error
    }
  }

  #fileOf(hash: string): string {
    return join(this.directory, hash)
  }

  #recordOf(hash: string): string {
    return join(this.directory, `${hash}.json`)
  }
}

/**
 * Removes the oldest of what is kept in a folder that nobody works on, until so much is free again. The records stay: by
 * them the next who opens it finds what has gone.
 *
 * @returns how many bytes were given back; 0 where nothing is kept
 */
export function removeOldest(root: string, bytes: number): number {
  const directory = join(root, keptPath)
  let removed = 0
  try {
    for (const { entry } of readKept(directory).kept) {
      if (removed >= bytes) break
      rmSync(join(directory, entry.hash), { force: true })
      removed += entry.size
    }
  } catch (error) {
    if (systemCode(error) === undefined) throw error // A directory that can't be read holds nothing to be had.
  }
  return removed
}

/** What lies in the directory, the oldest first: what has both file and record, and what has a record alone. */
function readKept(directory: string): { readonly kept: readonly KeptFile[]; readonly bare: readonly KeptFile[] } {
  const kept: KeptFile[] = []
  const bare: KeptFile[] = []
  for (const name of namesIn(directory)) {
    if (name.endsWith(newEnding) && recordName.test(name.slice(0, -newEnding.length))) {
      rmSync(join(directory, name), { force: true })
    }
    const hash = recordName.exec(name)?.[1]
    const file = hash === undefined ? undefined : readRecord(join(directory, name), hash)
    if (hash === undefined || file === undefined) continue
    const stats = lstatSync(join(directory, hash), { throwIfNoEntry: false })
    if (stats === undefined) bare.push(file)
    else if (stats.isFile() && stats.size === file.entry.size) kept.push(file)
  }
  kept.sort((a, b) => a.keptMs - b.keptMs)
  return { kept, bare }
}

/** A record, or `undefined` where it can't be read, or isn't one of ours for this content. */
function readRecord(at: string, hash: string): KeptFile | undefined {
  try {
    const record = JSON.parse(readFileSync(at, 'utf8')) as Record<string, unknown>
    const { format: found, path, keptMs, entry } = record
    const known = typeof path === 'string' ? parseTreePath(path) : undefined
    if (found !== format || known === undefined || !Number.isSafeInteger(keptMs)) return undefined
    const file = parseFile(entry as Record<keyof FileEntry, unknown>)
    return file?.hash === hash ? { path: known, entry: file, keptMs: keptMs as number } : undefined
  } catch {
    return undefined
  }
}

function parseFile({ type, mode, mtimeMs, size, hash, extents }: Record<keyof FileEntry, unknown>) {
  if (type !== 'file' || typeof hash !== 'string' || !isCount(mode) || !isCount(size)) return undefined
  if (mode > permissionBits || !Number.isSafeInteger(mtimeMs) || Math.abs(mtimeMs as number) > mtimeMsMax)
    return undefined
  if (!Array.isArray(extents)) return undefined
  const read = extents.map(parseExtent)
  if (!read.every((extent) => extent !== undefined)) return undefined
  return { type, mode, mtimeMs: mtimeMs as number, size, hash, extents: read } satisfies FileEntry
}

function parseExtent(value: unknown): Extent | undefined {
  // Records of before there could be several cores name none.
  const { core = firstCore, block, blocks, offset, length, packed } = value as Record<keyof Extent, unknown>
  if (!isCount(core) || !isCount(block) || !isCount(blocks) || !isCount(offset) || !isCount(length)) return undefined
  return typeof packed === 'boolean' ? { core, block, blocks, offset, length, packed } : undefined
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** The names in a directory, which is there once something was kept. */
function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    if (isAbsence(error)) return []
    throw error
  }
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
  }
}

function unlessAbsent(error: unknown): void {
  if (!isAbsence(error)) throw error
}
