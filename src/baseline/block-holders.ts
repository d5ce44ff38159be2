import { RangeReader } from '../disk/read/range-reader.ts'
import type { KeptBlocks, KeptFile } from '../disk/write/kept-directory.ts'
import type { StagedFile, StagedFiles } from '../disk/write/stage.ts'
import type { BlockFiles, FoundBlock } from '../log/hypercore/block-places.ts'
import type { BlockRef } from '../tree/block-ref.ts'
import type { BaselineRecord } from '../tree/diff.ts'
import type { Entry, Extent, FileEntry } from '../tree/entry.ts'
import type { TreePath } from '../tree/path.ts'

/** Runs are indexed by buckets of 2 ** `bucketBits` blocks. */
const bucketBits = 8
/** Runs of this many blocks, 32 GB and more, are kept outside the buckets. */
const wideBlocksMin = 2 ** 16

/** Matches no file, so that reads with it are never certain. */
const noSignature = ''

/** The baseline's record of each path. */
interface Records {
  get(path: TreePath): BaselineRecord | undefined
}

/** Consecutive blocks whose bytes lie consecutively in a file. */
interface Run {
  readonly extent: Extent
  /** The offset of the first block's bytes in the file. */
  readonly offset: number
  readonly holder: Holder
}

/** A replaced or removed file that is kept elsewhere beneath the folder. */
interface Kept {
  readonly keptAt: TreePath
}

type Holder = TreePath | StagedFile | Kept

/**
 * Finds the files that hold a block: files of the baseline, files being received, and replaced files that are kept. A
 * block in several files is found while one of them exists, be it a copy, a renamed file, or a new version that still
 * contains the block.
 */
export class BlockHolders implements BlockFiles, StagedFiles, KeptBlocks {
  readonly #files: RangeReader
  #records: Records = new Map()
  /** By the number of the content core. */
  readonly #cores = new Map<number, RunIndex>()
  readonly #runs = new Map<Holder, readonly Run[]>()
  readonly #kept = new Map<KeptFile, Kept>()
  #dropped: Extent[] = []

  /** @param options.shared whether to read into memory that can be passed to worker threads */
  constructor(root: string, options: { readonly shared?: boolean } = {}) {
    this.#files = new RangeReader(root, options)
  }

  /** Switches to another baseline: forgets all paths, which the caller adds by `set`. Staged and kept files stay. */
  follow(records: Records): void {
    for (const holder of [...this.#runs.keys()]) if (typeof holder === 'string') this.#drop(holder)
    this.#dropped = []
    this.#records = records
  }

  /** Replaces the entry of a path. */
  set(path: TreePath, entry: Entry | undefined): void {
    this.#drop(path)
    if (entry?.type === 'file') this.#add(path, entry)
  }

  /** Adds a file that is being received. The receiver keeps the returned object up to date. */
  stage(entry: FileEntry, at: string, found: number): StagedFile {
    const staged = { at, found, trusted: 0 }
    this.#files.hold(at)
    this.#add(staged, entry)
    return staged
  }

  /** Removes a file that was being received. */
  unstage(staged: StagedFile): void {
    this.#drop(staged)
    this.#files.release(staged.at)
  }

  /** Adds a replaced file that is kept. Reads of it are never certain, since nobody watches it for changes. */
  keep(file: KeptFile, at: TreePath): void {
    const kept = { keptAt: at }
    this.#kept.set(file, kept)
    this.#add(kept, file.entry)
  }

  unkeep(file: KeptFile): void {
    const kept = this.#kept.get(file)
    if (kept !== undefined) this.#drop(kept)
    this.#kept.delete(file)
  }

  close(): void {
    this.#files.close()
  }

  /** The runs that a file has stopped holding since the last call. Other files may still hold some of their blocks. */
  takeDropped(): Extent[] {
    const dropped = this.#dropped
    this.#dropped = []
    return dropped
  }

  /** Whether any known file holds a block. */
  readonly isHeld = (block: BlockRef): boolean => {
    for (const _ of this.#runsOf(block)) return true
    return false
  }

  async read(
    block: BlockRef,
    length: number,
    offsetOf: (block: number) => Promise<number>,
    isBlock?: (bytes: Uint8Array) => Promise<boolean>
  ): Promise<FoundBlock | undefined> {
    let doubtful: FoundBlock | undefined
    const runs = [...this.#runsOf(block)]
    // Kept files come last, since their bytes must be compared with the log, which takes time.
    for (const { extent, offset, holder } of [...runs.filter(isWatched), ...runs.filter((run) => !isWatched(run))]) {
      const { index } = block
      const inRun = index === extent.block ? 0 : (await offsetOf(index)) - (await offsetOf(extent.block))
      if (inRun + length > extent.length) continue
      const found = await this.#readFrom(holder, offset + inRun, length)
      if (found?.certain) return found
      if (found !== undefined && (await isBlock?.(found.bytes))) return { ...found, certain: true }
      if (isBlock === undefined) doubtful ??= found
    }
    return doubtful
  }

  async #readFrom(holder: Holder, offset: number, length: number): Promise<FoundBlock | undefined> {
    if (typeof holder === 'string') {
      const signature = this.#records.get(holder)?.signature
      return signature === undefined ? undefined : this.#files.read(holder, signature, offset, length)
    }
    if ('keptAt' in holder) return this.#files.read(holder.keptAt, noSignature, offset, length)
    const end = offset + length
    if (end > Math.max(holder.found, holder.trusted)) return undefined
    const bytes = await this.#files.readHeld(holder.at, offset, length)
    return bytes && { bytes, certain: end <= holder.trusted }
  }

  #runsOf({ core, index }: BlockRef): Iterable<Run> {
    return this.#cores.get(core)?.runsOf(index) ?? []
  }

  #add(holder: Holder, entry: FileEntry): void {
    const runs: Run[] = []
    let offset = 0
    for (const extent of entry.extents) {
      // An extent that begins within a block doesn't hold the whole block.
      if (!extent.packed && extent.offset === 0) runs.push({ extent, offset, holder })
      offset += extent.length
    }
    if (runs.length === 0) return
    this.#runs.set(holder, runs)
    for (const run of runs) this.#indexOf(run.extent).add(run)
  }

  #drop(holder: Holder): void {
    for (const run of this.#runs.get(holder) ?? []) {
      this.#indexOf(run.extent).delete(run)
      this.#dropped.push(run.extent)
    }
    this.#runs.delete(holder)
  }

  #indexOf({ core }: Extent): RunIndex {
    const known = this.#cores.get(core) ?? new RunIndex()
    this.#cores.set(core, known)
    return known
  }
}

/** Finds the runs of one core that hold a block. */
class RunIndex {
  readonly #buckets = new Map<number, Set<Run>>()
  /** Runs too long for the buckets. An entry can claim any length, more than there are blocks. */
  readonly #wide = new Set<Run>()

  add(run: Run): void {
    if (isWide(run)) this.#wide.add(run)
    else for (const bucket of bucketsOf(run.extent)) this.#bucket(bucket).add(run)
  }

  delete(run: Run): void {
    if (isWide(run)) this.#wide.delete(run)
    else for (const bucket of bucketsOf(run.extent)) this.#deleteFrom(bucket, run)
  }

  *runsOf(block: number): Generator<Run> {
    for (const runs of [this.#buckets.get(bucketOf(block)), this.#wide]) {
      for (const run of runs ?? []) {
        if (block >= run.extent.block && block < run.extent.block + run.extent.blocks) yield run
      }
    }
  }

  #bucket(bucket: number): Set<Run> {
    const known = this.#buckets.get(bucket) ?? new Set()
    this.#buckets.set(bucket, known)
    return known
  }

  #deleteFrom(bucket: number, run: Run): void {
    const runs = this.#buckets.get(bucket)
    runs?.delete(run)
    if (runs?.size === 0) this.#buckets.delete(bucket)
  }
}

/** Whether a change of the file would be noticed. */
function isWatched({ holder }: Run): boolean {
  return typeof holder === 'string' || !('keptAt' in holder)
}

function isWide({ extent }: Run): boolean {
  return extent.blocks >= wideBlocksMin
}

function bucketOf(block: number): number {
  return Math.floor(block / 2 ** bucketBits)
}

function* bucketsOf({ block, blocks }: Extent): Generator<number> {
  for (let bucket = bucketOf(block); bucket <= bucketOf(block + blocks - 1); bucket++) yield bucket
}
