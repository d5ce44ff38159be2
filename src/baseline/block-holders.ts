import { RangeReader } from '../disk/read/range-reader.ts'
import type { KeptBlocks, KeptFile } from '../disk/write/kept-directory.ts'
import type { StagedFile, StagedFiles } from '../disk/write/stage.ts'
import type { BlockFiles, FoundBlock } from '../log/hypercore/block-places.ts'
import type { BlockRef } from '../tree/block-ref.ts'
import type { BaselineRecord } from '../tree/diff.ts'
import type { Entry, Extent, FileEntry } from '../tree/entry.ts'
import type { TreePath } from '../tree/path.ts'

/** Runs are found by ranges of so many blocks. */
const bucketBits = 8
/** Of 32 GB and more. */
const wideBlocksMin = 2 ** 16

/** No file has it, so nothing is certain. */
const noSignature = ''

/** The baseline's record of each path. */
interface Records {
  get(path: TreePath): BaselineRecord | undefined
}

/** Blocks in a row whose bytes lie in a file, one behind the other. */
interface Run {
  readonly extent: Extent
  /** Where in the file they begin. */
  readonly offset: number
  readonly holder: Holder
}

/** A file that was replaced or removed, and lies elsewhere beneath the folder. */
interface Kept {
  readonly keptAt: TreePath
}

type Holder = TreePath | StagedFile | Kept

/**
 * Which files hold which blocks: those that the baseline names, those that are being received, and those that were
 * replaced and are kept. A block that lies in several is found as long as one of them is there: a copy, a file under its
 * new name, the new version of a file for what of it is as it was.
 */
export class BlockHolders implements BlockFiles, StagedFiles, KeptBlocks {
  readonly #files: RangeReader
  #records: Records = new Map()
  /** By the number of the content core. */
  readonly #cores = new Map<number, RunIndex>()
  readonly #runs = new Map<Holder, readonly Run[]>()
  readonly #kept = new Map<KeptFile, Kept>()
  #dropped: Extent[] = []

  /** @param options.shared whether what is read goes on to worker threads */
  constructor(root: string, options: { readonly shared?: boolean } = {}) {
    this.#files = new RangeReader(root, options)
  }

  /** Forgets all paths, but not what is being received or kept: those of this baseline are to follow. */
  follow(records: Records): void {
    for (const holder of [...this.#runs.keys()]) if (typeof holder === 'string') this.#drop(holder)
    this.#dropped = []
    this.#records = records
  }

  /** Takes note of what stands at a path from now on. */
  set(path: TreePath, entry: Entry | undefined): void {
    this.#drop(path)
    if (entry?.type === 'file') this.#add(path, entry)
  }

  /** Takes note of a file that is being received; whoever receives it keeps it up to date. */
  stage(entry: FileEntry, at: string, found: number): StagedFile {
    const staged = { at, found, trusted: 0 }
    this.#files.hold(at)
    this.#add(staged, entry)
    return staged
  }

  /** Forgets a file that was being received. */
  unstage(staged: StagedFile): void {
    this.#drop(staged)
    this.#files.release(staged.at)
  }

  /** Takes note of a file that was replaced and is kept. What is read of it is never certain: nobody watches over it. */
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

  /** The runs of blocks that a file no longer holds since this was last asked; others may hold some of them. */
  takeDropped(): Extent[] {
    const dropped = this.#dropped
    this.#dropped = []
    return dropped
  }

  /** Whether any file holds a block, as far as it is known. */
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
    // What is kept is compared with the log, which takes time: it comes last.
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
      // What begins within a block doesn't hold it.
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
  /** Runs of more blocks than buckets are worth, or than there may be: an entry can claim any number. */
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

/** Whether somebody would notice a change of the file. */
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
