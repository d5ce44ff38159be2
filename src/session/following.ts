import type { BlockHolders } from '../baseline/block-holders.ts'
import type { Recorded } from '../care/verify-host.ts'
import { PathIndexFile } from '../disk/state/index-file.ts'
import type { KeepReplaced } from '../disk/state/retention-file.ts'
import type { State } from '../disk/state/state.ts'
import { BlockHasher } from '../disk/threads/block-hasher.ts'
import type { Workers } from '../disk/threads/workers.ts'
import type { Folder } from '../folder/folder.ts'
import { type LogStore, printKey } from '../log/hypercore/store.ts'
import { LogReader } from '../log/reader.ts'
import { Mirror } from '../mirror/mirror.ts'
import { MirrorSelection } from '../mirror/mirror-selection.ts'
import type { LogSource } from '../query/log-source.ts'
import { firstCore } from '../tree/block-ref.ts'
import { foldsNames } from '../tree/file-system.ts'
import type { SessionLog, SessionLoop, SharedParts } from './session.ts'

/** How a session follows a log. */
export interface FollowOptions {
  readonly key: Uint8Array
  /** Refuses symlinks that could lead out of the folder. */
  readonly safeLinks: boolean
  /** How long, and up to how much, replaced files are kept; as it was stored last, when left out. */
  readonly keepReplaced: KeepReplaced | undefined
  /** Called with the folder and its state before the mirror reads them: the place for what has to be stored first. */
  readonly onStateOpen: (folder: Folder, state: State) => Promise<void>
}

/** How long an operation waits for content while no peer sends any, in milliseconds. */
const contentTimeoutMs = 5000

/** Opens the log of another folder. */
export async function openFollowedLog(
  store: LogStore,
  { blocks, workers }: { readonly blocks: BlockHolders; readonly workers: Workers },
  options: FollowOptions
): Promise<SessionLog> {
  const key = printKey(options.key)
  const reader = await LogReader.open(store, key, { files: blocks, hasher: new BlockHasher(workers) })
  return {
    key,
    release: (extents, isHeld) => reader.release(extents, isHeld),
    createLoop: (shared) => createMirrorLoop(reader, key, options, shared),
    close: () => reader.close(),
    flush: () => store.flush()
  }
}

async function createMirrorLoop(
  reader: LogReader,
  key: string,
  options: FollowOptions,
  shared: SharedParts
): Promise<SessionLoop> {
  const { folder, state, monitor, network } = shared
  reader.packsInUse = () => packsIn(state)
  await options.onStateOpen(folder, state)
  const onNotice = (message: string) => monitor.emit({ type: 'notice', message })
  const selection = await MirrorSelection.open({ home: folder.home, state, onNotice })
  const received = () => network.traffic.received
  const mirror = new Mirror(folder, reader, state, monitor, {
    selection,
    safeLinks: options.safeLinks,
    inPlaceAbove: shared.inPlaceAbove,
    keepReplaced: {}, // Only where it keeps them by itself.
    blocks: shared.blocks,
    workers: shared.workers,
    staging: shared.staging,
    replacedFiles: shared.replacedFiles,
    queue: shared.queue,
    received,
    onFailure: shared.onFailure
  })
  const source: LogSource = {
    key,
    root: folder.root,
    view: reader.view(
      { received, patienceMs: contentTimeoutMs },
      { alonePatienceMs: contentTimeoutMs, index: new PathIndexFile(folder.home) }
    ),
    records: () => state.records(),
    settled: async () => {},
    onChange: (listener) => reader.onChange(listener),
    carried: reader.carried
  }
  return {
    follows: { reader, mirror, selection },
    source,
    queue: shared.queue,
    get holds() {
      return mirror.stand.applied?.length
    },
    get newest() {
      return reader.claimed?.length
    },
    get totals() {
      return mirror.stand.totals
    },
    workspace: () => mirror.workspace(),
    recorded: () => recordedIn(mirror, reader),
    cores: () => reader.cores(),
    collectable: {
      version: () => reader.version,
      garbage: () => reader.garbage(),
      complete: (version, signal) => reader.fetchLog(version, signal)
    },
    start: () => mirror.start(),
    close: () => mirror.close()
  }
}

async function recordedIn(mirror: Mirror, reader: LogReader): Promise<Recorded> {
  const { baseline, traits, part, version: applied } = await mirror.workspace()
  // With nothing recorded at all, the folder should hold the latest version.
  const version = applied ?? (baseline.records.size === 0 ? reader.version : undefined)
  // Where names are folded, files have other names here than in the log; and a part of the folder is no tree of the log's.
  const isComparable = version !== undefined && part?.isAll !== false && !foldsNames(traits)
  return { baseline, traits, entries: isComparable ? await reader.entriesHere(version) : undefined }
}

/** The packs of the first content core that the entries of a mirror name. */
async function packsIn(state: State): Promise<ReadonlySet<number>> {
  const packs = new Set<number>()
  for await (const [, { entry }] of state.records()) {
    if (entry.type !== 'file') continue
    for (const { core, block, packed } of entry.extents) if (packed && core === firstCore) packs.add(block)
  }
  return packs
}
