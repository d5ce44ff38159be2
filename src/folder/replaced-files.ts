import type { LiveBaseline } from '../baseline/baseline.ts'
import type { BlockHolders } from '../baseline/block-holders.ts'
import { diskBytes } from '../disk/path/space.ts'
import { observe } from '../disk/read/observe.ts'
import type { KeepReplaced } from '../disk/state/retention-file.ts'
import { type Keeping, KeptDirectory, type KeptFile, type Retention } from '../disk/write/kept-directory.ts'
import { type Bytes, type ConflictNaming, rescue } from '../disk/write/preserve.ts'
import type { LogReader } from '../log/reader.ts'
import { firstCore } from '../tree/block-ref.ts'
import type { BaselineRecord, Seen } from '../tree/diff.ts'
import { type Entry, type FileEntry, sameContent } from '../tree/entry.ts'
import type { TreePath } from '../tree/path.ts'
import type { TreeView } from '../tree/tree.ts'
import type { Monitor } from './monitor.ts'

/** A large file that was replaced or removed, and whose content is still here. */
export interface KeptContent {
  /** The path that it had. */
  readonly path: string
  readonly size: number
  /** SHA-256 of its content, in hexadecimal. */
  readonly hash: string
  /** When it was replaced or removed here, in milliseconds since 1970. */
  readonly keptMs: number
  /** When it goes at the latest, if its time isn't changed. */
  readonly expiresMs: number
}

const keepMsDefault = 7 * 24 * 3_600_000
const diskShare = 0.1

export interface ReplacedFilesOptions {
  readonly root: string
  readonly blocks: BlockHolders
  /** The log, of which blocks are given up, and may be cut. */
  readonly log: Pick<LogReader, 'release'> & { onContentCut?: (block: number) => void }
  readonly keepReplaced: KeepReplaced
  /** Whether the content of a file is nowhere but in the folder. */
  readonly isInPlace: (entry: FileEntry) => boolean
  readonly naming: ConflictNaming
}

/** Keeps the contents that a mirror would lose to the log: those that lie in its folder alone. */
export class ReplacedFiles {
  readonly #options: ReplacedFilesOptions
  readonly #files: KeptDirectory
  /** Records without files. */
  #bare: readonly KeptFile[] = []
  #retention: Retention = { keepMs: 0, bytesMax: 0 }

  constructor(options: ReplacedFilesOptions) {
    this.#options = options
    this.#files = new KeptDirectory(options.root, options.blocks)
    options.log.onContentCut = (index) => this.#files.cut({ core: firstCore, index })
  }

  /** What is kept, the oldest first. */
  get kept(): readonly KeptContent[] {
    return this.#files.files.map(({ path, entry: { size, hash }, keptMs }) => {
      return { path, size, hash, keptMs, expiresMs: keptMs + this.#retention.keepMs }
    })
  }

  /**
   * Reads what is kept. What goes of it, or was going when a run was cut off, goes with the next `sweep`: once it is
   * known of all files in the folder which blocks they hold.
   *
   * @param aside what that run had taken out of the folder: it is kept where it would have been; where it isn't what
   *   the baseline says it gets a name in the folder, of which `monitor` is told
   */
  async open(aside: readonly string[], baseline: LiveBaseline, monitor: Monitor): Promise<void> {
    const { root, keepReplaced, naming } = this.#options
    const { ms: keepMs = keepMsDefault, bytes: bytesMax = diskShare * diskBytes(root) } = keepReplaced
    this.#retention = { keepMs, bytesMax }
    this.#bare = this.#files.open()
    const bare = new Map(this.#bare.map((file) => [file.entry.hash, file]))
    const targets = new Set<string>()
    if (aside.length > 0) {
      for (const [, { entry }] of baseline.records) if (entry.type === 'symlink') targets.add(entry.target)
    }
    const isKnown = async (bytes: Bytes, at: string) => {
      if (bytes.type === 'symlink') return targets.has(bytes.target)
      const path = baseline.holderOf(bytes.hash)
      const recorded = path && { path, entry: baseline.entry(path) as FileEntry, keptMs: naming.now().getTime() }
      const file = bare.get(bytes.hash) ?? recorded
      if (file !== undefined && this.#isToKeep(file.entry)) await this.#files.adopt(file, at)
      return file !== undefined
    }
    for (const [path, keptAs] of await rescue(root, aside, isKnown, naming)) {
      monitor.emit({ type: 'conflict', path, keptAs })
    }
  }

  /**
   * Keeps what a plan replaces and removes of the log's.
   *
   * @param plan.base what the plan was measured against
   * @param plan.local what the folder held
   * @param plan.observed what stood at the paths of the plan
   */
  of(
    { base, local, observed }: Readonly<Record<'base' | 'local', TreeView>> & { observed: ReadonlyMap<TreePath, Seen> },
    baseline: LiveBaseline
  ): Keeping {
    const isElsewhere = (path: TreePath, { hash }: FileEntry) => {
      const other = baseline.holderOf(hash)
      if (other === undefined || other === path || observed.has(other)) return false
      const now = observe(this.#options.root, [other], () => {}).get(other)
      return now?.type === 'file' && now.signature === baseline.records.get(other)?.signature
    }
    const entryOf = (path: TreePath) => {
      const was = base.get(path)
      if (!this.#isToKeep(was) || !sameContent(local.get(path), was) || isElsewhere(path, was)) return undefined
      return was
    }
    return this.#files.keeping(entryOf, this.#options.naming.now)
  }

  /**
   * Gives up what is kept longer than it shall be, or takes too much of the disk.
   *
   * @param put what the folder was found to hold just now: it needs no keeping
   */
  async sweep(put: ReadonlyMap<TreePath, BaselineRecord> = new Map()): Promise<void> {
    const files = this.#files
    const gone = new Set(this.#bare.filter(({ entry }) => files.get(entry.hash) === undefined))
    this.#bare = []
    for (const { entry } of put.values()) {
      const file = entry.type === 'file' ? files.get(entry.hash) : undefined
      if (file !== undefined) gone.add(file)
    }
    for (const file of files.excess(this.#retention, this.#options.naming.now().getTime())) gone.add(file)
    await this.#giveUp([...gone])
  }

  async #giveUp(files: readonly KeptFile[]): Promise<void> {
    if (files.length === 0) return
    const { blocks, log } = this.#options
    for (const file of files) this.#files.giveUp(file)
    const extents = [...blocks.takeDropped(), ...files.flatMap(({ entry }) => entry.extents)]
    // The blocks go before the bytes: nobody is promised what can't be read.
    await log.release(extents, blocks.isHeld)
    for (const file of files) await this.#files.remove(file)
  }

  /** Whether a content would be lost: large, and not in packs, which the log keeps. */
  #isToKeep(entry: Entry | undefined): entry is FileEntry {
    const { keepMs, bytesMax } = this.#retention
    if (entry?.type !== 'file' || keepMs <= 0 || entry.size > bytesMax) return false
    return this.#options.isInPlace(entry) && entry.extents.some(({ packed }) => !packed)
  }
}
