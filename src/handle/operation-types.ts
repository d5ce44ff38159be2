import type { VerifyEvent } from '../care/verify-events.ts'
import type { RestoreParams, RestoreRecord } from '../change/restore.ts'
import type { RevertParams, RevertRecord } from '../change/revert.ts'
import type { SelectOptions } from '../mirror/change-selection.ts'
import type { DiffParams, PatchRecord } from '../query/diff.ts'
import type { InspectParams, LogRecordTold } from '../query/inspect.ts'
import type { ListParams } from '../query/list.ts'
import type { LoggedVersion, LogParams } from '../query/log.ts'
import type { ChangeRecord, EntryRecord, VersionRecord } from '../query/records.ts'
import type { WatchParams, WatchRecord } from '../query/watch.ts'
import type { Problem } from '../tree/tree.ts'
import type { HeldRecord, PausedRecord, WaitParams } from './activity-operations.ts'
import type { GcParams, GcRecord, SelectionReport, VerifyParams } from './change-operations.ts'
import type { NoParams } from './operation-params.ts'
import type { PeerRecord, StatusRecord } from './status.ts'

type ProblemRecord = { readonly type: 'problem' } & Problem

/** The parameters and the records of each operation that reads a log. FORMAT: other processes send and receive them. */
interface ReadTypes {
  readonly list: { readonly params: ListParams; readonly record: VersionRecord | EntryRecord | ProblemRecord }
  readonly log: { readonly params: LogParams; readonly record: LoggedVersion | ChangeRecord }
  readonly watch: { readonly params: WatchParams; readonly record: WatchRecord }
  readonly diff: { readonly params: DiffParams; readonly record: ChangeRecord | PatchRecord | ProblemRecord }
  readonly inspect: { readonly params: InspectParams; readonly record: LogRecordTold }
}

/** The same of each operation on a folder at work. */
interface FolderTypes {
  readonly status: { readonly params: NoParams; readonly record: StatusRecord }
  readonly peers: { readonly params: NoParams; readonly record: PeerRecord }
  readonly wait: { readonly params: WaitParams; readonly record: HeldRecord }
  readonly pause: { readonly params: NoParams; readonly record: PausedRecord }
  readonly resume: { readonly params: NoParams; readonly record: PausedRecord }
  readonly restore: { readonly params: RestoreParams; readonly record: RestoreRecord }
  readonly revert: { readonly params: RevertParams; readonly record: RevertRecord }
  readonly gc: { readonly params: GcParams; readonly record: GcRecord }
  readonly verify: { readonly params: VerifyParams; readonly record: VerifyEvent }
  readonly select: { readonly params: SelectOptions; readonly record: SelectionReport }
}

export type ReadName = keyof ReadTypes
export type FolderName = keyof FolderTypes
export type OperationName = ReadName | FolderName

/** The parameters of an operation. */
export type ParamsOf<N extends OperationName> = (ReadTypes & FolderTypes)[N]['params']

/** What an operation yields, one record after the other. */
export type RecordOf<N extends OperationName> = (ReadTypes & FolderTypes)[N]['record']
