import { setTimeout as sleep } from 'node:timers/promises'
import { SyncError } from '../errors.ts'
import type { KnownFolder } from '../folder/known-folder.ts'
import type { WatchParams, WatchRecord } from '../query/watch.ts'
import { ControlClient } from './client.ts'

/** Lists a folder, then yields its changes, for as long as it can. */
export type WatchFeed = (params: WatchParams, signal: AbortSignal) => AsyncIterable<WatchRecord>

/** How often to look for a process that runs the folder, in milliseconds. */
const pollMs = 200

/**
 * Watches a folder on this machine across processes: when the one that runs it ends, this waits for the next one and
 * continues after the last record. It yields each change once.
 *
 * @param watch the first feed
 * @throws {SyncError} whatever `watch` throws; CLOSED and NOT_READY only within the listing
 */
export async function* follow(
  folder: KnownFolder,
  watch: WatchFeed,
  params: WatchParams,
  signal: AbortSignal
): AsyncGenerator<WatchRecord> {
  const progress = new WatchProgress(params)
  let feed = watch
  for (;;) {
    try {
      for await (const record of feed(progress.resume(), signal)) if (progress.isNew(record)) yield record
    } catch (error) {
      signal.throwIfAborted()
      const hasEnded = error instanceof SyncError && (error.code === 'CLOSED' || error.code === 'NOT_READY')
      if (!hasEnded || progress.isListing) throw error
      await sleep(pollMs, undefined, { signal })
    }
    const client = await nextClient(folder, signal)
    feed = (wanted, end) => client.call('watch', wanted, end)
  }
}

/** The feed, until a process starts to run the folder. */
export function untilRunning(folder: KnownFolder, watch: WatchFeed): WatchFeed {
  return async function* (params, signal) {
    const end = new AbortController()
    const abort = () => end.abort()
    signal.addEventListener('abort', abort)
    nextClient(folder, end.signal).then(abort, () => {})
    try {
      for await (const record of watch(params, end.signal)) yield record
    } catch (error) {
      signal.throwIfAborted()
      if (!end.signal.aborted) throw error
    } finally {
      abort()
      signal.removeEventListener('abort', abort)
    }
  }
}

async function nextClient({ home, id }: KnownFolder, signal: AbortSignal): Promise<ControlClient> {
  for (;;) {
    const client = await ControlClient.find(home, id)
    if (client !== undefined) return client
    await sleep(pollMs, undefined, { signal })
  }
}

/** The position of a watcher among the records of a watch: where to resume, and which records to skip then. */
export class WatchProgress {
  readonly #params: WatchParams
  /** The last version of which the watcher has all changes. */
  #completeVersion: number | undefined
  /** The version in progress, and how many of its changes the watcher has. */
  #version: number | undefined
  #changes = 0
  #isListed: boolean
  /** How many changes of that version the resumed watch will repeat. */
  #repeated = 0

  constructor(params: WatchParams) {
    this.#params = params
    this.#isListed = params.since !== undefined
  }

  /** Whether the watcher has a part of the listing: another process could list another version. */
  get isListing(): boolean {
    return !this.#isListed && this.#version !== undefined
  }

  /** The parameters that continue the watch. */
  resume(): WatchParams {
    this.#repeated = this.#changes
    const since = this.#completeVersion
    return since === undefined ? this.#params : { ...this.#params, since: String(since) }
  }

  /** Notes a record. @returns whether the watcher doesn't have it yet */
  isNew(record: WatchRecord): boolean {
    if (record.type === 'version') {
      if (record.version === this.#version) return false
      if (this.#isListed) this.#completeVersion = this.#version ?? this.#completeVersion
      this.#version = record.version
      this.#changes = 0
      this.#repeated = 0
    } else if (record.type === 'listed') {
      this.#isListed = true
      this.#completeVersion = record.version
    } else if (this.#isListed) {
      if (this.#repeated > 0) {
        this.#repeated--
        return false
      }
      this.#changes++
    }
    return true
  }
}
