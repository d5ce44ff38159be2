import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { SyncError } from '../errors.ts'
import { findFolder, type KnownFolder } from '../folder/known-folder.ts'
import type { ParamsOf, ReadName, RecordOf } from '../handle/operations.ts'
import type { ConnectOptions } from '../peers/connections.ts'
import type { ContentParams } from '../query/content.ts'
import type { LogSource } from '../query/log-source.ts'
import { ControlClient } from './client.ts'
import { follow, untilSomebodyComes, type WatchFeed } from './follow.ts'

/** A folder is open after this time, or something keeps it from being: a full disk, perhaps. */
const readyMsMax = 10_000
const readyTickMs = 50

/** How `openLog` reaches a log, and where it keeps what it fetches. */
export interface OpenOptions extends ConnectOptions {
  /** Where a folder's state was put; as its marker says, when left out. */
  readonly state?: string
  /** Keeps what is fetched for a key in this directory, for the next time; it is thrown away when left out. */
  readonly cache?: string
  /** How long to look for a peer that has a key, in milliseconds. */
  readonly timeoutMs?: number
  readonly onNotice?: (message: string) => void
}

/** A log that can be read: that of a folder, whether somebody is at work on it or not, or that of a key. */
export interface OpenedLog {
  /** The folder on this machine, where there is one. */
  readonly folder: KnownFolder | undefined
  /** Asks for objects, one after the other. @throws {SyncError} whatever the operation throws */
  ask<N extends ReadName>(name: N, params: ParamsOf<N>, signal: AbortSignal): AsyncIterable<RecordOf<N>>
  /** A file's content, or a part of it. @throws {SyncError} NO_SUCH_PATH, NO_SUCH_VERSION, NOT_HELD, USAGE, DAMAGED */
  content(params: ContentParams, signal: AbortSignal): AsyncIterable<Uint8Array>
  close(): Promise<void>
}

/**
 * Opens a log to read it: of a folder on this machine by its directory, through whoever is at work on it, or else by
 * itself; of any other by its key, of which only what is asked for is fetched.
 *
 * @throws {SyncError} FOLDER_MISSING, FOLDER_FORMAT, FOLDER_UNREADABLE, BAD_KEY, NO_PEER, DAMAGED
 */
export async function openLog(where: string, options: OpenOptions = {}): Promise<OpenedLog> {
  if (!isDirectory(where)) return openRemote(where, options)
  const folder = findFolder(where, options.state)
  const client = await ControlClient.find(folder.home, folder.id)
  return client === undefined ? openResting(folder) : openRunning(folder, client)
}

/** What isn't there and looks like a key is one. */
function isDirectory(where: string): boolean {
  if (existsSync(where)) return true
  if (/^([ybndrfg8ejkmcpqxot1uwisza345h769]{52}|[0-9a-fA-F]{64})$/.test(where.trim())) return false
  if (/^[a-z0-9]{40,70}$/i.test(where.trim())) return false // Meant as a key: it is told what is wrong with it.
  throw new SyncError('FOLDER_MISSING', `There is no directory ${where}, and it is no key`)
}

function openRunning(folder: KnownFolder, client: ControlClient): OpenedLog {
  const log: OpenedLog = {
    folder,
    ask: (name, params, signal) => whenReady(() => client.call(name, params, signal), signal),
    content: (params, signal) => whenReady(() => client.content(params, signal), signal),
    close: async () => {}
  }
  return following(log, folder, (params, signal) => log.ask('watch', params, signal))
}

/** A log that is watched across the ends of those who are at work on its folder. */
function following(log: OpenedLog, folder: KnownFolder, watch: WatchFeed): OpenedLog {
  const ask = <N extends ReadName>(name: N, params: ParamsOf<N>, signal: AbortSignal): AsyncIterable<RecordOf<N>> =>
    name === 'watch'
      ? (follow(folder, watch, params as ParamsOf<'watch'>, signal) as AsyncIterable<RecordOf<N>>)
      : log.ask(name, params, signal)
  return { ...log, ask }
}

/** Who has just begun to work on a folder can't be asked before it is open. */
async function* whenReady<T>(ask: () => AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const endMs = performance.now() + readyMsMax
  for (;;) {
    try {
      yield* ask()
      return
    } catch (error) {
      // It is told of before anything else.
      const isEarly = error instanceof SyncError && error.code === 'NOT_READY' && performance.now() < endMs
      if (!isEarly) throw error
    }
    await sleep(readyTickMs, undefined, { signal })
  }
}

async function openResting(folder: KnownFolder): Promise<OpenedLog> {
  // Much of what it takes is only for this.
  const { ClosedFolder } = await import('../handle/closed-folder.ts')
  const resting = await ClosedFolder.open(folder)
  const log = await reading(resting.source, folder, () => resting.close())
  return following(
    log,
    folder,
    untilSomebodyComes(folder, (params, signal) => log.ask('watch', params, signal))
  )
}

async function openRemote(key: string, options: OpenOptions): Promise<OpenedLog> {
  const { RemoteLog } = await import('../query/remote-log.ts')
  const remote = await RemoteLog.open(key, options)
  return reading(remote.source, undefined, () => remote.close())
}

async function reading(
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

/** Nothing is opened before somebody reads. */
async function* bytesOf(
  open: () => Promise<{ readonly bytes: AsyncIterable<Uint8Array> }>
): AsyncGenerator<Uint8Array> {
  yield* (await open()).bytes
}
