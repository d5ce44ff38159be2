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

/** The baseline in memory: its records, totals and content index. */
export class LiveBaseline {
  readonly records = new PackedRecords()
  readonly totals = new Totals()
  /** Paths by the first 32 bits of the content hash. When two contents collide, only the later one is found. */
  readonly #holders = new Map<number, TreePath>()
  readonly #blocks: BlockHolders | undefined

  /** @param blocks index of the blocks that files hold; kept in step with the baseline */
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

  /** The puts and removals that rename paths. @param moved old to new path */
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

  /**
   * A path that the baseline records with this content. Of several paths only the last recorded is known; `undefined`
   * if that one was changed or removed.
   */
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
 * Empties the signatures of files that were changed within the last step of a coarse file-system clock: a further
 * change in the same step wouldn't show in the signature.
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

/** The changes to the baseline for a plan's settled and forgotten paths. Omits records that wouldn't change. */
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

/** The state changes that record puts and removals in the baseline. */
export function* stateChanges(
  put: ReadonlyMap<TreePath, BaselineRecord>,
  removed: ReadonlySet<TreePath>
): Generator<(batch: StateBatch) => void> {
  // Until all changes are recorded, the baseline mixes two versions.
  yield (batch) => batch.forget('applied')
  for (const path of removed) yield (batch) => batch.remove(path)
  for (const [path, record] of put) yield (batch) => batch.put(path, record)
}
