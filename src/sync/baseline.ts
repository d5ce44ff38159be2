import type { BaselineRecord } from '../tree/diff.ts'
import type { Entry } from '../tree/entry.ts'
import type { TreePath } from '../tree/path.ts'
import type { Tree } from '../tree/tree.ts'
import { Totals } from './totals.ts'

/** The baseline in memory, with its totals. */
export class LiveBaseline {
  readonly records: Map<TreePath, BaselineRecord>
  readonly totals = new Totals()

  constructor(records: Map<TreePath, BaselineRecord>) {
    this.records = records
    for (const { entry } of records.values()) this.totals.replace(undefined, entry)
  }

  put(path: TreePath, record: BaselineRecord): void {
    this.totals.replace(this.entry(path), record.entry)
    this.records.set(path, record)
  }

  remove(path: TreePath): void {
    this.totals.replace(this.entry(path), undefined)
    this.records.delete(path)
  }

  entry(path: TreePath): Entry | undefined {
    return this.records.get(path)?.entry
  }

  /** The entries alone. */
  tree(): Tree {
    const tree = new Map<TreePath, Entry>()
    for (const [path, { entry }] of this.records) tree.set(path, entry)
    return tree
  }
}
