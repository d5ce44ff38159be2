import { setTimeout as sleep } from 'node:timers/promises'
import { SyncError } from '../errors.ts'
import type { KnownFolder } from '../folder/known-folder.ts'
import type { WatchParams, WatchRecord } from '../query/watch.ts'
import { ControlClient } from './client.ts'

/** Tells what there is, then what changes, for as long as it can. */
export type WatchFeed = (params: WatchParams, signal: AbortSignal) => AsyncIterable<WatchRecord>

/** How often it is looked whether somebody is at work again, in milliseconds. */
const lookMs = 200

/**
 * Watches a folder on this machine, whoever is at work on it: when that ends it waits until somebody is again, and goes
 * on where it was. Each change is told once.
 *
 * @param watch whom to ask first
 * @throws {SyncError} whatever `watch` throws, but for CLOSED and NOT_READY; those too within the listing
 */
export async function* follow(
  folder: KnownFolder,
  watch: WatchFeed,
  params: WatchParams,
  signal: AbortSignal
): AsyncGenerator<WatchRecord> {
  const progress = new Progress(params)
  let ask = watch
  for (;;) {
    try {
      for await (const record of ask(progress.resume(), signal)) if (progress.isNew(record)) yield record
    } catch (error) {
      signal.throwIfAborted()
      const isGone = error instanceof SyncError && (error.code === 'CLOSED' || error.code === 'NOT_READY')
      if (!isGone || progress.isListing) throw error
      await sleep(lookMs, undefined, { signal })
    }
    const client = await whoeverComes(folder, signal)
    ask = (wanted, end) => client.call('watch', wanted, end)
  }
}

/** A watch that ends as soon as somebody is at work on the folder. */
export function untilSomebodyComes(folder: KnownFolder, watch: WatchFeed): WatchFeed {
  return async function* (params, signal) {
    const end = new AbortController()
    const abort = () => end.abort()
    signal.addEventListener('abort', abort)
    whoeverComes(folder, end.signal).then(abort, () => {})
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

async function whoeverComes({ home, id }: KnownFolder, signal: AbortSignal): Promise<ControlClient> {
  for (;;) {
    const client = await ControlClient.find(home, id)
    if (client !== undefined) return client
    await sleep(lookMs, undefined, { signal })
  }
}

/** How far a watcher was told. */
class Progress {
  readonly #params: WatchParams
  /** The last version of which all was told. */
  #whole: number | undefined
  /** The one that is being told, and how many of its changes were. */
  #version: number | undefined
  #changes = 0
  #isListed: boolean
  /** Of the version above, that come once more. */
  #repeated = 0

  constructor(params: WatchParams) {
    this.#params = params
    this.#isListed = params.since !== undefined
  }

  /** Whether a part of the listing was told, and not all of it. */
  get isListing(): boolean {
    return !this.#isListed && this.#version !== undefined
  }

  /** What to ask for, to go on. */
  resume(): WatchParams {
    this.#repeated = this.#changes
    return this.#whole === undefined ? this.#params : { ...this.#params, since: String(this.#whole) }
  }

  /** Takes note of what comes. @returns whether it wasn't told before */
  isNew(record: WatchRecord): boolean {
    if (record.type === 'version') {
      if (record.version === this.#version) return false
      if (this.#isListed) this.#whole = this.#version ?? this.#whole
      this.#version = record.version
      this.#changes = 0
      this.#repeated = 0
    } else if (record.type === 'listed') {
      this.#isListed = true
      this.#whole = record.version
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
