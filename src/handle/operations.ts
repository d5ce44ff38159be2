import { SyncError } from '../errors.ts'
import { inspect } from '../query/inspect.ts'
import { list } from '../query/list.ts'
import { log } from '../query/log.ts'
import type { LogSource } from '../query/log-source.ts'
import { watch } from '../query/watch.ts'
import { pause, peers, resume, status, wait } from './activity-operations.ts'
import type { FolderHandle } from './folder-handle.ts'
import { parseParams, type Schema } from './operation-params.ts'
import type { FolderName, OperationName, ParamsOf, ReadName, RecordOf } from './operation-types.ts'

export type { FolderName, OperationName, ParamsOf, ReadName, RecordOf } from './operation-types.ts'

type Run<Target, Params, Yielded> = (target: Target, params: Params, signal: AbortSignal) => AsyncIterable<Yielded>

interface Operation<Target, N extends OperationName = OperationName> {
  readonly run: Run<Target, ParamsOf<N>, RecordOf<N>>
  readonly params: Schema
  /** Whether it changes anything, so that following a link must not be enough to ask for it. */
  readonly acts?: boolean
}

/** An operation whose module is loaded when it is first asked for: listing a directory needs nothing of a repair. */
function lazy<Target, Params, Yielded>(
  load: () => Promise<Run<Target, Params, Yielded>>
): Run<Target, Params, Yielded> {
  return async function* (target, params, signal) {
    yield* (await load())(target, params, signal)
  }
}

const acting = () => import('./change-operations.ts')

/** The operations on a log, whoever has it open. */
const readOperations: { readonly [N in ReadName]: Operation<LogSource, N> } = {
  list: { run: list, params: { version: 'text?', path: 'text?', recursive: 'flag?' } },
  log: { run: log, params: { path: 'text?', since: 'text?', version: 'text?', limit: 'integer?' } },
  watch: { run: watch, params: { path: 'text?', since: 'text?' } },
  diff: {
    run: lazy(async () => (await import('../query/diff.ts')).diff),
    params: { from: 'text?', to: 'text?', path: 'text?', patch: 'flag?' }
  },
  inspect: { run: inspect, params: { from: 'integer?', to: 'integer?' } }
}

/** The operations on a folder at work. */
const folderOperations: { readonly [N in FolderName]: Operation<FolderHandle, N> } = {
  status: { run: status, params: {} },
  peers: { run: peers, params: {} },
  wait: { run: wait, params: { version: 'text?', timeoutMs: 'number?' } },
  pause: { run: pause, params: {}, acts: true },
  resume: { run: resume, params: {}, acts: true },
  restore: {
    run: lazy(async () => (await acting()).restoreOperation),
    params: { version: 'text', path: 'text?', dryRun: 'flag?' },
    acts: true
  },
  revert: {
    run: lazy(async () => (await acting()).revertOperation),
    params: { path: 'text?', dryRun: 'flag?' },
    acts: true
  },
  gc: {
    run: lazy(async () => (await acting()).gc),
    params: { keepMs: 'number', keepVersions: 'number?', dryRun: 'flag?' },
    acts: true
  },
  verify: {
    run: lazy(async () => (await acting()).verifyOperation),
    params: { sample: 'number?', repair: 'flag?', timeoutMs: 'number?' },
    acts: true
  },
  select: {
    run: lazy(async () => (await acting()).select),
    params: { only: 'texts?', exclude: 'texts?', all: 'flag?', version: 'text?', latest: 'flag?' },
    acts: true
  }
}

/** Whether an operation changes anything; `undefined` where there is none of that name. */
export function acts(name: string): boolean | undefined {
  if (isReadName(name)) return readOperations[name].acts === true
  return isFolderName(name) ? folderOperations[name].acts === true : undefined
}

/**
 * Runs an operation on a folder at work.
 *
 * @param given its parameters, as JSON or a query has them
 * @throws {SyncError} USAGE, NOT_READY, and whatever the operation throws
 */
export function operate(
  handle: FolderHandle,
  name: string,
  given: Readonly<Record<string, unknown>>,
  signal: AbortSignal
): AsyncIterable<object> {
  if (isReadName(name)) {
    const params = parseParams(readOperations[name].params, given)
    return ask(handle.source, name, params as unknown as ParamsOf<typeof name>, signal)
  }
  if (!isFolderName(name)) throw new SyncError('USAGE', `There is no operation ${name}`)
  const operation = folderOperations[name] as Operation<FolderHandle>
  return operation.run(handle, parseParams(operation.params, given) as unknown as ParamsOf<typeof name>, signal)
}

/** Runs an operation on a log. @throws {SyncError} whatever the operation throws */
export function ask<N extends ReadName>(
  source: LogSource,
  name: N,
  params: ParamsOf<N>,
  signal: AbortSignal
): AsyncIterable<RecordOf<N>> {
  return readOperations[name].run(source, params, signal)
}

function isReadName(name: string): name is ReadName {
  return Object.hasOwn(readOperations, name)
}

function isFolderName(name: string): name is FolderName {
  return Object.hasOwn(folderOperations, name)
}
