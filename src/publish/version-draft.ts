import type { LiveBaseline } from '../baseline/baseline.ts'
import type { StateBatch } from '../disk/state/state.ts'
import type { BaselineRecord, Scan, ScanDiff } from '../tree/diff.ts'
import { type Entry, type Extent, sameEntry } from '../tree/entry.ts'
import { ancestorsOf, type TreePath } from '../tree/path.ts'
import type { Ingest } from './ingest.ts'

export interface Taken {
  /** What the log is to say. */
  readonly changes: ReadonlyMap<TreePath, Entry | undefined>
  /** What the baseline is to say; also where only a signature is new. */
  readonly records: ReadonlyMap<TreePath, BaselineRecord | undefined>
  readonly chunks: ReadonlyMap<string, Extent>
}

/** What one pass has to put into the log, and has put so far. */
export class VersionDraft {
  readonly ingest: Ingest
  /** What was put and removed so far by batches of a version that isn't finished. */
  unfinished: { readonly puts: number; readonly removals: number } | undefined
  #storedBefore = 0
  #puts: readonly (readonly [TreePath, Entry, signature: string])[]
  /** Removals by when they are due: those that make way at once, all others when all that was moved is there. */
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

  takeStored(): number {
    const { stored } = this
    this.#storedBefore = this.ingest.stored
    return stored
  }

  /** What is ready to be committed. */
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

/** The changes to the state that go with what was put into the log. */
export function* draftStateChanges(
  records: Taken['records'],
  chunks: Taken['chunks'],
  note: (batch: StateBatch) => void
): Generator<(batch: StateBatch) => void> {
  for (const [path, record] of records) {
    yield (batch) => (record === undefined ? batch.remove(path) : batch.put(path, record))
  }
  for (const [hash, extent] of chunks) yield (batch) => batch.chunk(hash, extent)
  // Last: what was cut off before is found by comparing with the log.
  yield note
}
