import { SyncError } from '../errors.ts'
import { inspect } from '../query/inspect.ts'
import { list } from '../query/list.ts'
import { log } from '../query/log.ts'
import type { LogSource } from '../query/log-source.ts'
import { watch } from '../query/watch.ts'
import { pause, peers, resume, status, wait } from './activity-operations.ts'
import type { FolderHandle } from './folder-handle.ts'
import { parseParams, type Schema } from './operation-params.ts'

/** An operation whose module is read when it is first asked for: whoever lists a directory has no use for what mends one. */
function later<Target, Params, Record>(
  load: () => Promise<(target: Target, params: Params, signal: AbortSignal) => AsyncIterable<Record>>
) {
  return async function* (target: Target, params: Params, signal: AbortSignal): AsyncGenerator<Record> {
    yield* (await load())(target, params, signal)
  }
}

const acting = () => import('./change-operations.ts')

/** What can be asked of a log, whoever has it open. */
export const readOperations = {
  list: { run: list, params: { version: 'text?', path: 'text?', recursive: 'flag?' } },
  log: { run: log, params: { path: 'text?', since: 'text?', version: 'text?', limit: 'integer?' } },
  watch: { run: watch, params: { path: 'text?', since: 'text?' } },
  diff: {
    run: later(async () => (await import('../query/diff.ts')).diff),
    params: { from: 'text?', to: 'text?', path: 'text?', patch: 'flag?' }
  },
  inspect: { run: inspect, params: { from: 'integer?', to: 'integer?' } }
} as const satisfies Readonly<Record<string, Operation<LogSource>>>

/** What can be asked of a folder at work, and be had done by it. */
export const folderOperations = {
  status: { run: status, params: {} },
  peers: { run: peers, params: {} },
  wait: { run: wait, params: { version: 'text?', timeoutMs: 'number?' } },
  pause: { run: pause, params: {}, acts: true },
  resume: { run: resume, params: {}, acts: true },
  restore: {
    run: later(async () => (await acting()).restoreOperation),
    params: { version: 'text', path: 'text?', dryRun: 'flag?' },
    acts: true
  },
  revert: {
    run: later(async () => (await acting()).revertOperation),
    params: { path: 'text?', dryRun: 'flag?' },
    acts: true
  },
  gc: {
    run: later(async () => (await acting()).gc),
    params: { keepMs: 'number', keepVersions: 'number?', dryRun: 'flag?' },
    acts: true
  },
  verify: {
    run: later(async () => (await acting()).verifyOperation),
    params: { sample: 'number?', repair: 'flag?', timeoutMs: 'number?' },
    acts: true
  },
  select: {
    run: later(async () => (await acting()).select),
    params: { only: 'texts?', exclude: 'texts?', all: 'flag?', version: 'text?', latest: 'flag?' },
    acts: true
  }
} as const satisfies Readonly<Record<string, Operation<FolderHandle>>>

/** One of the things that can be asked for: it tells objects, one after the other, each with a `type`. */
interface Operation<Target> {
  // The table's own types say what each takes; here it only matters that it fits its target.
  readonly run: (target: Target, params: never, signal: AbortSignal) => AsyncIterable<object>
  readonly params: Schema
  /** Whether it changes anything. */
  readonly acts?: boolean
}

type Table = typeof readOperations & typeof folderOperations
export type OperationName = keyof Table
export type ReadName = keyof typeof readOperations
export type FolderName = keyof typeof folderOperations

/** What an operation takes. */
export type ParamsOf<N extends OperationName> = Parameters<Table[N]['run']>[1]

type Told<T> = T extends AsyncIterable<infer Record> ? Record : never
/** What an operation tells. */
export type RecordOf<N extends OperationName> = Told<ReturnType<Table[N]['run']>>

/** Whether an operation changes anything, and so isn't to be asked for by following a link; `undefined` where there is none. */
export function acts(name: string): boolean | undefined {
  const operation = operationOf(name)
  return operation && operation.acts === true
}

/** Has a folder at work carry out an operation. @throws {SyncError} USAGE, NOT_READY, and whatever the operation throws */
export function operate(
  handle: FolderHandle,
  name: string,
  given: Readonly<Record<string, unknown>>,
  signal: AbortSignal
): AsyncIterable<object> {
  const operation = operationOf(name)
  if (operation === undefined) throw new SyncError('USAGE', `There is no operation ${name}`)
  const params = parseParams(operation.params, given) as never
  if (name in readOperations) return (operation as Operation<LogSource>).run(handle.source, params, signal)
  return (operation as Operation<FolderHandle>).run(handle, params, signal)
}

function operationOf(name: string): Operation<LogSource> | Operation<FolderHandle> | undefined {
  const table: Readonly<Record<string, Operation<LogSource> | Operation<FolderHandle>>> = {
    ...readOperations,
    ...folderOperations
  }
  return Object.hasOwn(table, name) ? table[name] : undefined
}

/** Asks a log itself, without anybody at work on it. */
export function ask<N extends ReadName>(
  source: LogSource,
  name: N,
  params: ParamsOf<N>,
  signal: AbortSignal
): AsyncIterable<RecordOf<N>> {
  const { run } = readOperations[name] as Operation<LogSource>
  return run(source, params as never, signal) as AsyncIterable<RecordOf<N>>
}
