import type { LogRecord } from '../log/bee/records.ts'
import type { LogSource } from './log-source.ts'

export interface InspectParams {
  /** The first block of the entries core; counted from its end where it is below 0. The last 20 when left out. */
  readonly from?: number
  /** The block behind the last. */
  readonly to?: number
}

export interface LogRecordTold extends LogRecord {
  readonly type: 'record'
}

const blocksShown = 20

/** What the blocks of the log say, raw. @throws {SyncError} DAMAGED, NOT_HELD */
export async function* inspect(
  source: LogSource,
  { from = -blocksShown, to }: InspectParams,
  signal: AbortSignal
): AsyncGenerator<LogRecordTold> {
  await source.settled(signal)
  const length = source.view.latest?.length ?? 0
  const start = from < 0 ? length + from : from
  for await (const record of source.view.records(start, Math.min(to ?? length, length), signal)) {
    yield { type: 'record', ...record }
  }
}
