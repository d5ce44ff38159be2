import { isDeepStrictEqual } from 'node:util'
import type { StateBatch } from '../disk/state/state.ts'
import type { BaselineRecord } from '../tree/diff.ts'
import type { Entry } from '../tree/entry.ts'
import { type FileSystemTraits, hasCoarseTimes } from '../tree/file-system.ts'
import type { TreePath } from '../tree/path.ts'
import type { Plan } from '../tree/plan.ts'
import type { TreeView } from '../tree/tree.ts'
import type { BlockHolders } from './block-holders.ts'
import { PackedRecords } from './packed-records.ts'
import { Totals } from './totals.ts'

/** The baseline in memory, with its totals. */
export class LiveBaseline {
  readonly records = new PackedRecords()
  readonly totals = new Totals()
  /** By the first 32 bits of the hash: where two contents share them, only the later one is found. */
  readonly #holders = new Map<number, TreePath>()
  readonly #blocks: BlockHolders | undefined

  /** @param blocks is told which blocks its files hold */
  constructor(blocks?: BlockHolders) {
    this.#blocks = blocks
    blocks?.follow(this.records)
  }

  /** A baseline of these records. */
  static async of(
    records: Iterable<readonly [TreePath, BaselineRecord]> | AsyncIterable<readonly [TreePath, BaselineRecord]>,
    blocks?: BlockHolders
  ): Promise<LiveBaseline> {
    const baseline = new LiveBaseline(blocks)
    for await (const [path, record] of records) baseline.put(path, record)
    return baseline
  }

  put(path: TreePath, record: BaselineRecord): void {
    this.totals.replace(this.entry(path), record.entry)
    this.records.set(path, record)
    this.#hold(path, record.entry)
    this.#blocks?.set(path, record.entry)
  }

  remove(path: TreePath): void {
    this.totals.replace(this.entry(path), undefined)
    this.records.delete(path)
    this.#blocks?.set(path, undefined)
  }

  /** What to put and to remove where paths are called otherwise now. */
  renamed(moved: ReadonlyMap<TreePath, TreePath>): {
    readonly put: ReadonlyMap<TreePath, BaselineRecord>
    readonly removed: ReadonlySet<TreePath>
  } {
    const put = new Map<TreePath, BaselineRecord>()
    for (const [from, to] of moved) put.set(to, this.records.get(from) as BaselineRecord)
    return { put, removed: new Set(moved.keys()) }
  }

  entry(path: TreePath): Entry | undefined {
    return this.records.get(path)?.entry
  }

  /** A path that held this content when it was last looked at. One of several, perhaps; none, if that one went. */
  holderOf(hash: string): TreePath | undefined {
    const path = this.#holders.get(prefixOf(hash))
    const entry = path && this.entry(path)
    return entry?.type === 'file' && entry.hash === hash ? path : undefined
  }

  #hold(path: TreePath, entry: Entry): void {
    if (entry.type === 'file') this.#holders.set(prefixOf(entry.hash), path)
  }
}

/**
 * What to record of files that were written or read just now. Where times are coarse, a change that follows
 * within the same step wouldn't show in a signature, so what is as new as that gets none.
 */
export function withoutFresh(
  records: ReadonlyMap<TreePath, BaselineRecord>,
  traits: FileSystemTraits
): ReadonlyMap<TreePath, BaselineRecord> {
  if (!hasCoarseTimes(traits)) return records
  const sinceMs = Date.now() - traits.timeStepMs
  return new Map(
    [...records].map(([path, record]) => {
      const { entry } = record
      return [path, entry.type === 'file' && entry.mtimeMs > sinceMs ? { entry, signature: '' } : record]
    })
  )
}

function prefixOf(hash: string): number {
  return Number.parseInt(hash.slice(0, 8), 16) | 0
}

/** What a plan finds done already, and what it has to forget: to be recorded. */
export function settledBy(
  { settled, forgotten }: Plan,
  from: {
    readonly target: TreeView
    readonly signatures: { get(path: TreePath): string | undefined }
    readonly records: Pick<PackedRecords, 'get'>
  }
): { readonly put: ReadonlyMap<TreePath, BaselineRecord>; readonly removed: ReadonlySet<TreePath> } {
  const put = new Map<TreePath, BaselineRecord>()
  for (const path of settled) {
    const entry = from.target.get(path) as Entry
    const signature = from.signatures.get(path) ?? ''
    const record = from.records.get(path)
    if (record?.signature !== signature || !isDeepStrictEqual(record.entry, entry)) put.set(path, { entry, signature })
  }
  return { put, removed: new Set(forgotten) }
}

/** The changes to the state that make what was written and removed part of the baseline. */
export function* stateChanges(
  put: ReadonlyMap<TreePath, BaselineRecord>,
  removed: ReadonlySet<TreePath>
): Generator<(batch: StateBatch) => void> {
  // From here on until all is done, the baseline is of no single version.
  yield (batch) => batch.forget('applied')
  for (const path of removed) yield (batch) => batch.remove(path)
  for (const [path, record] of put) yield (batch) => batch.put(path, record)
}
