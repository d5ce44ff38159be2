import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { SyncError } from '../errors.ts'
import type { KnownFolder } from '../folder/known-folder.ts'
import type { ParamsOf, ReadName, RecordOf } from '../handle/operations.ts'
import type { ConnectOptions } from '../peers/connections.ts'
import type { ContentParams } from '../query/content.ts'
import type { LogSource } from '../query/log-source.ts'
import type { ControlClient } from './client.ts'
import type { WatchFeed } from './follow.ts'

/** How long a folder may take to open, in milliseconds; after that, something prevents it, such as a full disk. */
const readyMsMax = 10_000
const readyPollMs = 50

/** How `openLog` reaches a log, and where it keeps what it fetches. */
export interface OpenOptions extends ConnectOptions {
  /** The folder's state directory; as its marker names it when left out. */
  readonly state?: string
  /** Keeps data fetched for a key in this directory; a temporary one when left out. */
  readonly cache?: string
  /** How long to look for a peer that has a key, in milliseconds. */
  readonly timeoutMs?: number
  readonly onNotice?: (message: string) => void
}

/** A log that can be read: of a folder, whether a process runs it or not, or of a key. */
export interface OpenedLog {
  /** The folder on this machine; `undefined` for a key. */
  readonly folder: KnownFolder | undefined
  /** Runs an operation. @throws {SyncError} whatever the operation throws */
  ask<N extends ReadName>(name: N, params: ParamsOf<N>, signal: AbortSignal): AsyncIterable<RecordOf<N>>
  /** The content of a file, or a part of it. @throws {SyncError} NO_SUCH_PATH, NO_SUCH_VERSION, NOT_HELD, USAGE, DAMAGED */
  content(params: ContentParams, signal: AbortSignal): AsyncIterable<Uint8Array>
  close(): Promise<void>
}

/**
 * Opens a log to read it. The log of a folder on this machine comes from the process that runs the folder, or else
 * from its store; the log of a key comes from peers, and only the requested data is fetched.
 *
 * @param where a directory, or a key
 * @throws {SyncError} FOLDER_MISSING, FOLDER_FORMAT, FOLDER_UNREADABLE, BAD_KEY, NO_PEER, DAMAGED
 */
export async function openLog(where: string, options: OpenOptions = {}): Promise<OpenedLog> {
  if (!isDirectory(where)) return openRemote(where, options)
  const { findFolder } = await import('../folder/known-folder.ts')
  const folder = findFolder(where, options.state)
  const { ControlClient } = await import('./client.ts')
  const client = await ControlClient.find(folder.home, folder.id)
  return client === undefined ? openClosed(folder) : openRunning(folder, client)
}

/** Whether `where` is a directory rather than a key. @throws {SyncError} FOLDER_MISSING when it can be neither */
function isDirectory(where: string): boolean {
  if (existsSync(where)) return true
  if (/^([ybndrfg8ejkmcpqxot1uwisza345h769]{52}|[0-9a-fA-F]{64})$/.test(where.trim())) return false
  // A mistyped key: opening it tells the user what is wrong with it.
  if (/^[a-z0-9]{40,70}$/i.test(where.trim())) return false
  throw new SyncError('FOLDER_MISSING', `There is no directory ${where}, and it is no key`)
}

function openRunning(folder: KnownFolder, client: ControlClient): OpenedLog {
  const log: OpenedLog = {
    folder,
    ask: (name, params, signal) => whenReady(() => client.call(name, params, signal), signal),
    content: (params, signal) => whenReady(() => client.content(params, signal), signal),
    close: async () => {}
  }
  return withFollow(log, folder, (params, signal) => log.ask('watch', params, signal))
}

/** The log, with a `watch` that continues when the process that runs the folder ends and another one starts. */
function withFollow(log: OpenedLog, folder: KnownFolder, watch: WatchFeed): OpenedLog {
  const ask = <N extends ReadName>(name: N, params: ParamsOf<N>, signal: AbortSignal): AsyncIterable<RecordOf<N>> =>
    name === 'watch'
      ? // The compiler doesn't narrow N by the value of `name`.
        (following(folder, watch, params as ParamsOf<'watch'>, signal) as AsyncIterable<RecordOf<N>>)
      : log.ask(name, params, signal)
  return { ...log, ask }
}

async function* following(
  folder: KnownFolder,
  watch: WatchFeed,
  params: ParamsOf<'watch'>,
  signal: AbortSignal
): AsyncGenerator<RecordOf<'watch'>> {
  const { follow } = await import('./follow.ts')
  yield* follow(folder, watch, params, signal)
}

/** Asks again while a process that has just started opens the folder. */
async function* whenReady<T>(ask: () => AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const endMs = performance.now() + readyMsMax
  for (;;) {
    try {
      yield* ask()
      return
    } catch (error) {
      // NOT_READY comes before any record, so nothing is yielded twice.
      const isEarly = error instanceof SyncError && error.code === 'NOT_READY' && performance.now() < endMs
      if (!isEarly) throw error
    }
    await sleep(readyPollMs, undefined, { signal })
  }
}

async function openClosed(folder: KnownFolder): Promise<OpenedLog> {
  const { ClosedFolder } = await import('../handle/closed-folder.ts')
  const closed = await ClosedFolder.open(folder)
  const log = await readFrom(closed.source, folder, () => closed.close())
  return withFollow(log, folder, async function* (params, signal) {
    const { untilRunning } = await import('./follow.ts')
    yield* untilRunning(folder, (wanted, end) => log.ask('watch', wanted, end))(params, signal)
  })
}

async function openRemote(key: string, options: OpenOptions): Promise<OpenedLog> {
  const { RemoteLog } = await import('../query/remote-log.ts')
  const remote = await RemoteLog.open(key, options)
  return readFrom(remote.source, undefined, () => remote.close())
}

async function readFrom(
  source: LogSource,
  folder: KnownFolder | undefined,
  close: () => Promise<void>
): Promise<OpenedLog> {
  const [{ ask }, { content }] = await Promise.all([import('../handle/operations.ts'), import('../query/content.ts')])
  return {
    folder,
    ask: (name, params, signal) => ask(source, name, params, signal),
    content: (params, signal) => bytesOf(() => content(source, params, signal)),
    close
  }
}

/** Opens the content only when the caller starts to read. */
async function* bytesOf(
  open: () => Promise<{ readonly bytes: AsyncIterable<Uint8Array> }>
): AsyncGenerator<Uint8Array> {
  yield* (await open()).bytes
}
