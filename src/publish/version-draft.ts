import type { LiveBaseline } from '../baseline/baseline.ts'
import type { StateBatch } from '../disk/state/state.ts'
import type { BaselineRecord, Scan, ScanDiff } from '../tree/diff.ts'
import { type Entry, type Extent, sameEntry } from '../tree/entry.ts'
import { ancestorsOf, type TreePath } from '../tree/path.ts'
import type { Ingest } from './ingest.ts'

/** The part of a draft that is ready to commit. */
export interface Taken {
  /** Entries to put into the log; `undefined` removes the path. */
  readonly changes: ReadonlyMap<TreePath, Entry | undefined>
  /** Records to put into the baseline, also those of which only the signature is new; `undefined` removes the path. */
  readonly records: ReadonlyMap<TreePath, BaselineRecord | undefined>
  readonly chunks: ReadonlyMap<string, Extent>
}

/** The changes of one pass, committed in one or several steps. */
export class VersionDraft {
  readonly ingest: Ingest
  /** Puts and removals of earlier batches, while the version is unfinished. */
  unfinished: { readonly puts: number; readonly removals: number } | undefined
  #storedBefore = 0
  #puts: readonly (readonly [TreePath, Entry, signature: string])[]
  /** Removals that make way for a file or link go with the first commit, others with the last, after all moved files came. */
  #urgent: readonly TreePath[]
  readonly #removals: readonly TreePath[]

  constructor(ingest: Ingest, { puts, moves, removals }: ScanDiff, scan: Scan) {
    this.ingest = ingest
    this.#puts = [...puts, ...moves]
    const makesWay = (path: TreePath) => {
      for (const above of ancestorsOf(path))
        if ((scan.seen.get(above)?.type ?? 'directory') !== 'directory') return true
      return false
    }
    this.#urgent = removals.filter(makesWay)
    this.#removals = removals.filter((path) => !makesWay(path))
  }

  /** Bytes stored since the last version. */
  get stored(): number {
    return this.ingest.stored - this.#storedBefore
  }

  /** The same, counted anew from here on. */
  takeStored(): number {
    const { stored } = this
    this.#storedBefore = this.ingest.stored
    return stored
  }

  /** Takes what is ready. @param last whether it is the last commit of the pass */
  async take(baseline: LiveBaseline, last: boolean): Promise<Taken> {
    const { records: files, chunks } = await this.ingest.flush()
    const records = new Map<TreePath, BaselineRecord | undefined>()
    for (const path of this.#urgent) records.set(path, undefined)
    this.#urgent = []
    // Directories first, so that a version never has a file without its directory.
    for (const [path, entry, signature] of this.#puts) records.set(path, { entry, signature })
    this.#puts = []
    for (const [path, record] of files) records.set(path, record)
    if (last) for (const path of this.#removals) records.set(path, undefined)

    const changes = new Map<TreePath, Entry | undefined>()
    for (const [path, record] of records) {
      if (!sameEntry(baseline.entry(path), record?.entry)) changes.set(path, record?.entry)
    }
    return { changes, records, chunks }
  }
}

/** The changes of the state that belong to a commit; `note` says what version the state stands for. */
export function* draftStateChanges(
  records: Taken['records'],
  chunks: Taken['chunks'],
  note: (batch: StateBatch) => void
): Generator<(batch: StateBatch) => void> {
  for (const [path, record] of records) {
    yield (batch) => (record === undefined ? batch.remove(path) : batch.put(path, record))
  }
  for (const [hash, extent] of chunks) yield (batch) => batch.chunk(hash, extent)
  // Last, so that a state which a kill left incomplete shows as older than the log.
  yield note
}
