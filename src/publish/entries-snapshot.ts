import { debuglog } from 'node:util'
import type { LiveBaseline } from '../baseline/baseline.ts'
import type { PackedRecords } from '../baseline/packed-records.ts'
import type { State } from '../disk/state/state.ts'
import { reached } from '../failpoints.ts'
import { encodeRows, type SnapshotRow } from '../format/snapshot-codec.ts'
import type { LogWriter } from '../log/writer.ts'
import { sortedAsLog } from '../tree/path.ts'
import { isSnapshotDue, SnapshotSchedule } from './snapshot-schedule.ts'
import { noteWriter } from './writer-state.ts'

const trace = debuglog('p2psync:publish')

/** The folder counts as quiet after this long without an event. */
const quietMs = 1000

/** The part of the change tracker that tells whether a snapshot would be in the way of changes. */
export interface ActivityMeter {
  /** Whether changes wait to be published. */
  readonly hasNews: boolean
  /** Whether nothing happens for `ms` milliseconds. */
  isQuiet(ms: number, signal: AbortSignal): Promise<boolean>
}

/** Publishes snapshots of all entries, by which a new reader starts without fetching the whole log. */
export class SnapshotPublisher {
  readonly #writer: LogWriter
  readonly #state: State
  readonly #schedule = new SnapshotSchedule()
  /** Whether an entry is too large for any snapshot. */
  #isImpossible = false

  constructor(writer: LogWriter, state: State) {
    this.#writer = writer
    this.#state = state
  }

  /** Publishes a snapshot if one is due, whatever else happens. */
  async publishIfDue(baseline: LiveBaseline, signal: AbortSignal): Promise<void> {
    if (await this.#isDue(baseline)) await this.#publish(baseline.records, () => !signal.aborted)
  }

  /**
   * Publishes a snapshot if one is due, once the folder is quiet. The snapshot is a version of its own: with the next
   * change it would come too late for a reader who clones a folder that nobody changes.
   *
   * @returns whether nothing changed meanwhile, so that the caller can wait for changes
   */
  async publishWhenQuiet(baseline: LiveBaseline, activity: ActivityMeter, signal: AbortSignal): Promise<boolean> {
    const timing = this.#schedule.next(await this.#isDue(baseline), performance.now())
    if (timing === 'not-due') return true
    const yields = timing === 'when-quiet'
    if (yields && !(await activity.isQuiet(quietMs, signal))) return false
    await this.#publish(baseline.records, () => !signal.aborted && !(yields && activity.hasNews))
    return true
  }

  async #isDue({ totals }: LiveBaseline): Promise<boolean> {
    if (this.#isImpossible) return false
    return isSnapshotDue(this.#writer.version, await this.#writer.head(), totals)
  }

  async #publish(records: PackedRecords, isWanted: () => boolean): Promise<void> {
    const blocks = await packSnapshot(records, isWanted).catch((error: unknown) => {
      if (!(error instanceof RangeError)) throw error
      this.#isImpossible = true
    })
    if (!blocks) return
    const { length } = await this.#writer.publishSnapshot(blocks, records.size, Date.now())
    trace('version %d: a snapshot of %d entries in %d blocks', length, records.size, blocks.length)
    await this.#state.commit((batch) => noteWriter(batch, this.#writer))
    reached('version-noted')
  }
}

/**
 * Encodes a snapshot of all records.
 *
 * @param isWanted asked before each block whether to go on
 * @returns the blocks; `undefined` when `isWanted` said no
 * @throws {RangeError} when an entry is too large for a snapshot
 */
export async function packSnapshot(
  records: PackedRecords,
  isWanted: () => boolean
): Promise<readonly Buffer[] | undefined> {
  const blocks: Buffer[] = []
  // A block takes some ten milliseconds to fill.
  for await (const block of encodeRows(rowsOf(records))) {
    if (!isWanted()) return undefined
    blocks.push(block)
  }
  return blocks
}

/** The records in the log's order, parsed one at a time: only their paths are in memory all at once. */
function* rowsOf(records: PackedRecords): Generator<SnapshotRow> {
  for (const path of sortedAsLog(records.keys())) {
    const record = records.get(path)
    if (record !== undefined) yield [path, record.entry]
  }
}
