import type { BaselineRecord } from '../tree/diff.ts'
import type { Entry } from '../tree/entry.ts'
import { type FileSystemTraits, hasCoarseTimes } from '../tree/file-system.ts'
import type { TreePath } from '../tree/path.ts'
import { Totals } from './totals.ts'

/** The baseline in memory, with its totals. */
export class LiveBaseline {
  readonly records: Map<TreePath, BaselineRecord>
  readonly totals = new Totals()
  readonly #holders = new Map<string, TreePath>()

  constructor(records: Map<TreePath, BaselineRecord>) {
    this.records = records
    for (const [path, { entry }] of records) {
      this.totals.replace(undefined, entry)
      this.#hold(path, entry)
    }
  }

  put(path: TreePath, record: BaselineRecord): void {
    this.totals.replace(this.entry(path), record.entry)
    this.records.set(path, record)
    this.#hold(path, record.entry)
  }

  remove(path: TreePath): void {
    this.totals.replace(this.entry(path), undefined)
    this.records.delete(path)
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
    const path = this.#holders.get(hash)
    const entry = path && this.entry(path)
    return entry?.type === 'file' && entry.hash === hash ? path : undefined
  }

  #hold(path: TreePath, entry: Entry): void {
    if (entry.type === 'file') this.#holders.set(entry.hash, path)
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
