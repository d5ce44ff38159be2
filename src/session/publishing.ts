import type { BlockHolders } from '../baseline/block-holders.ts'
import { PathIndexFile } from '../disk/state/index-file.ts'
import { writeMarker } from '../disk/state/marker.ts'
import { SyncError } from '../errors.ts'
import { reached } from '../failpoints.ts'
import type { Folder } from '../folder/folder.ts'
import type { Relocations } from '../log/content/relocations.ts'
import type { Sparse } from '../log/gc/sparse-packs.ts'
import type { LogStore } from '../log/hypercore/store.ts'
import { LogWriter } from '../log/writer.ts'
import { Publisher } from '../publish/publisher.ts'
import { beginRun, noteWriter } from '../publish/writer-state.ts'
import type { LogSource } from '../query/log-source.ts'
import { exactFileSystem } from '../tree/file-system.ts'
import type { SessionLog, SessionLoop, SharedParts } from './session.ts'

/** How a session publishes its folder. */
export interface PublishOptions {
  /** Finds changes by scanning the folder again and again. */
  readonly poll: boolean
  readonly pollIntervalMs: number
  /** Between two scans beside notifications, in milliseconds. */
  readonly rescanIntervalMs: number
  /** Reads every file in the first scan, also those that look unchanged. */
  readonly checksum: boolean
}

/** How long an operation waits for content while no peer sends any, in milliseconds. */
const contentTimeoutMs = 5000

/**
 * Opens the log that this folder writes, and claims its key in the marker.
 *
 * @throws {SyncError} DAMAGED where the store belongs to another folder
 */
export async function openPublishedLog(
  folder: Folder,
  store: LogStore,
  blocks: BlockHolders,
  options: PublishOptions
): Promise<SessionLog> {
  const writer = await LogWriter.open(store, blocks)
  const isUnclaimed = folder.marker.key === null
  // A marker must not name a key that a power cut could still take back.
  if (isUnclaimed) await store.flush()
  claimKey(folder, writer.key)
  const isFirst = isUnclaimed && writer.version === undefined
  return {
    key: writer.key,
    release: (extents, isHeld) => writer.release(extents, isHeld),
    createLoop: async (shared) => {
      if (!shared.isIdle) await beginRun(shared.state, writer, { isFirst, flush: () => store.flush() })
      return createPublisherLoop(writer, options, shared)
    },
    close: async () => {}, // The store closes what the writer has opened.
    flush: async () => {
      await store.flush()
      reached('log-flushed')
    }
  }
}

function createPublisherLoop(writer: LogWriter, options: PublishOptions, shared: SharedParts): SessionLoop {
  const { folder, state, monitor, network } = shared
  const received = () => network.traffic.received
  const publisher = new Publisher(folder, writer, state, monitor, {
    poll: options.poll,
    pollMs: options.pollIntervalMs,
    rescanMs: options.rescanIntervalMs,
    checksum: options.checksum,
    inPlaceAbove: shared.inPlaceAbove,
    blocks: shared.blocks,
    workers: shared.workers,
    staging: shared.staging,
    replacedFiles: shared.replacedFiles,
    queue: shared.queue,
    received,
    onFailure: shared.onFailure
  })
  const source: LogSource = {
    key: writer.key,
    root: folder.root,
    view: writer.view({ received, patienceMs: contentTimeoutMs }, new PathIndexFile(folder.home)),
    records: () => state.records(),
    settled: async () => {},
    onChange: (listener) => writer.onChange(listener),
    carried: (version) => version
  }
  return {
    publishes: { writer, publisher },
    source,
    queue: shared.queue,
    get holds() {
      return writer.version?.length
    },
    get newest() {
      return writer.version?.length
    },
    get totals() {
      return publisher.totals
    },
    workspace: () => publisher.workspace(),
    recorded: async () => {
      const { baseline } = await publisher.workspace()
      // The records were read from this file system, whatever it does to names: they compare exactly.
      return { baseline, traits: exactFileSystem, entries: writer.entries(() => {}) }
    },
    cores: async () => writer.cores(),
    collectable: {
      version: () => writer.version,
      garbage: async () => writer.garbage(),
      complete: async () => {}, // The writer has all of its log.
      repack: (sparse, signal) => repack(writer, sparse, shared, signal)
    },
    start: () => publisher.start(),
    close: () => publisher.close()
  }
}

async function repack(
  writer: LogWriter,
  sparse: Sparse,
  { state, store, isIdle }: SharedParts,
  signal: AbortSignal
): Promise<Relocations> {
  // Each run that appends begins with a fork of its own.
  if (isIdle) await beginRun(state, writer, { isFirst: false, flush: () => store.flush() })
  const relocations = await writer.repack(sparse, Date.now(), signal)
  // The copies have to be durable before their originals are cleared.
  await store.flush()
  await state.commit((batch) => noteWriter(batch, writer))
  return relocations
}

/** Writes the key into the marker. @throws {SyncError} DAMAGED where the marker names another */
function claimKey(folder: Folder, key: string): void {
  const { root, marker, store } = folder
  if (marker.key === key) return
  if (marker.key !== null) {
    throw new SyncError('DAMAGED', `The store ${store} is of the key ${key}, but ${root} was shared as ${marker.key}`)
  }
  writeMarker(root, { ...marker, key })
  reached('key-claimed')
}
