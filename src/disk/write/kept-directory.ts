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

/** A file of the log's that a mirror replaced or removed in the folder, but keeps. */
export interface KeptFile {
  /** Its former path. */
  readonly path: TreePath
  /** Its entry in the log at that path. */
  readonly entry: FileEntry
  /** When it left its path, in milliseconds since 1970. */
  readonly keptMs: number
}

/** Tracks the kept files, so that their blocks can be read from them. */
export interface KeptBlocks {
  /** Adds a file at `at`, a path beneath the folder but outside its tree. */
  keep(file: KeptFile, at: TreePath): void
  unkeep(file: KeptFile): void
}

/** Limits on the kept files. */
export interface Retention {
  /** How long to keep each file. */
  readonly keepMs: number
  /** How much disk space all of them may take. */
  readonly bytesMax: number
}

/** Keeps the files that one plan removes from a folder. */
export interface Keeping {
  /**
   * Writes the records of the files at these paths, as far as they are to be kept.
   *
   * @returns paths that must be durable before the caller moves any of the files
   */
  prepare(paths: Iterable<TreePath>): ReadonlySet<string>
  /** Keeps the file that was moved from `path` to `taken`. @returns `false` if it isn't to be kept; then it stays there */
  take(path: TreePath, taken: string): boolean
  /** The absolute paths of the directories changed since the last call: to be made durable. */
  takeDirty(): ReadonlySet<string>
  /** Removes the records of files that were prepared but not taken. */
  end(): void
}

/** All are in memory; beyond this number the oldest are removed. */
const keptFilesMax = 100_000
const format = 1
const recordName = /^([0-9a-f]{64})\.json$/
/** Ends the name of an incomplete record. */
const newEnding = '.new'

/** The directory of kept files, relative to the folder: on the same file system, so that a rename moves files there. */
const keptPath = childPath(childPath('', stateDirectoryName), 'kept')

/**
 * The replaced and removed large files, whose content no other file has: `.p2psync/kept/` in the folder.
 * The name of a file is the SHA-256 of its content, so that none is kept twice; its record has the same name and `.json`.
 *
 * FORMAT of a record: `{"format":1,"path":"a/b","keptMs":1700000000000,"entry":{"type":"file","mode":420,"mtimeMs":…,
 * "size":…,"hash":"…","extents":[{"core":0,"block":…,"blocks":…,"offset":…,"length":…,"packed":false}]}}`.
 *
 * A record becomes durable before its file arrives and is deleted after it. So a file without a record isn't p2psync's
 * and stays; a record without a file belongs to one that never arrived or was deleted.
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
   * Reads the directory.
   *
   * @returns the records without a file, of files that an interrupted run was about to keep or to delete
   */
  open(): readonly KeptFile[] {
    for (const file of this.#files.values()) this.#blocks.unkeep(file)
    this.#files.clear()
    this.#bytes = 0
    const { kept, bare } = readKept(this.directory)
    for (const file of kept) this.#note(file)
    return bare
  }

  /** The kept files, the oldest first. */
  get files(): readonly KeptFile[] {
    return [...this.#files.values()]
  }

  /** The files beyond the limits of `retention`, the oldest first. */
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

  /** @param entryOf the log's entry of the file at a path if that is to be kept */
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
          if (systemCode(error) === undefined) throw error // The next start finds the records that stay.
        }
        prepared.clear()
      }
    }
  }

  /** Keeps a file that an earlier run moved out of the folder to `taken`. @returns `false` if it can't; then it stays */
  async adopt(file: KeptFile, taken: string): Promise<boolean> {
    const { hash } = file.entry
    if (this.#isForeign(hash) || !this.#write(file)) return false
    await makeDurable(new Set([this.#recordOf(hash), this.directory]), this.directory)
    this.#take(file, taken)
    return true
  }

  /** Handles a truncation of a core at a block: files that reach it hold no blocks of the log any more, but stay kept. */
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

  /** Stops reading blocks from a file, before its removal. */
  giveUp(file: KeptFile): void {
    this.#blocks.unkeep(file)
  }

  /** Deletes a file, if it is there, and its record. */
  async remove({ entry: { hash } }: KeptFile): Promise<void> {
    const known = this.#files.get(hash)
    if (known !== undefined) this.#bytes -= known.entry.size
    this.#files.delete(hash)
    // A file without a record isn't p2psync's, so the record is deleted last.
    if (known !== undefined) await unlink(this.#fileOf(hash)).catch(unlessAbsent)
    reached('kept-removed')
    await unlink(this.#recordOf(hash)).catch(unlessAbsent)
  }

  #take(file: KeptFile, taken: string): void {
    // It may replace a file of the same content: this one is as good, and was verified more recently.
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

  /** Whether a file without a record has the name of a content. */
  #isForeign(hash: string): boolean {
    return !this.#files.has(hash) && lstatSync(this.#fileOf(hash), { throwIfNoEntry: false }) !== undefined
  }

  /** Writes a record. @returns `false` on a full disk: keeping must not prevent a change that frees space */
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
 * Deletes the oldest kept files of a folder that no process has open, until `bytes` are free. Leaves their records, by
 * which the next process that opens the folder finds out which files are gone.
 *
 * @returns the number of bytes freed; 0 if no files are kept
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
    if (systemCode(error) === undefined) throw error // An unreadable directory frees nothing.
  }
  return removed
}

/** Reads the directory: `kept` are files with a record, the oldest first; `bare` are records without a file. */
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

/** Reads a record; `undefined` if it can't be read or isn't for this content. */
function readRecord(at: string, hash: string): KeptFile | undefined {
  try {
    const record = JSON.parse(readFileSync(at, 'utf8')) as Record<string, unknown>
    const { format: version, path, keptMs, entry } = record
    const treePath = typeof path === 'string' ? parseTreePath(path) : undefined
    if (version !== format || treePath === undefined || !Number.isSafeInteger(keptMs)) return undefined
    const file = parseFile(entry as Record<keyof FileEntry, unknown>)
    return file?.hash === hash ? { path: treePath, entry: file, keptMs: keptMs as number } : undefined
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
  // Records from before a folder could have several cores name none.
  const { core = firstCore, block, blocks, offset, length, packed } = value as Record<keyof Extent, unknown>
  if (!isCount(core) || !isCount(block) || !isCount(blocks) || !isCount(offset) || !isCount(length)) return undefined
  return typeof packed === 'boolean' ? { core, block, blocks, offset, length, packed } : undefined
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** The names in a directory; none if there is no directory. */
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
