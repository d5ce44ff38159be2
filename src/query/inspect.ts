import type { LogRecord } from '../log/bee/records.ts'
import type { LogSource } from './log-source.ts'

export interface InspectParams {
  /** The first block of the entries core; a negative number counts from the end. The last 20 blocks when left out. */
  readonly from?: number
  /** The block after the last one; the end of the log when left out. */
  readonly to?: number
}

export interface LogRecordTold extends LogRecord {
  readonly type: 'record'
}

const blocksShown = 20

/** Yields the records in blocks of the log, raw. @throws {SyncError} DAMAGED, NOT_HELD */
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
