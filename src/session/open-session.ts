import { BlockHolders } from '../baseline/block-holders.ts'
import { State } from '../disk/state/state.ts'
import { Workers } from '../disk/threads/workers.ts'
import { Staging } from '../disk/write/stage.ts'
import { naming } from '../folder/conflict-host.ts'
import type { Folder } from '../folder/folder.ts'
import { FolderQueue } from '../folder/folder-queue.ts'
import type { Monitor } from '../folder/monitor.ts'
import { openStore } from '../folder/open-store.ts'
import { ReplacedFiles } from '../folder/replaced-files.ts'
import { retentionIn } from '../folder/replaced-retention.ts'
import { Tasks } from '../folder/tasks.ts'
import { parseKey } from '../log/hypercore/store.ts'
import { Indexing } from '../query/indexing.ts'
import type { FileEntry } from '../tree/entry.ts'
import { CloseOrder } from './close-order.ts'
import type { FolderNetwork } from './folder-network.ts'
import { type FollowOptions, openFollowedLog } from './following.ts'
import { openPublishedLog, type PublishOptions } from './publishing.ts'
import type { Session } from './session.ts'

export interface SessionOptions {
  readonly monitor: Monitor
  readonly network: FolderNetwork
  /** Called with what a loop can't get over by trying again. @returns whether the session is closed for it */
  readonly onFailure: (error: unknown) => boolean
  /** Files larger than this, in bytes, are kept in the folder alone, not in the store as well. */
  readonly inPlaceAbove: number
  /** Whether its loops don't start by themselves: it is open for single operations. */
  readonly isIdle: boolean
  /** Takes a store that was copied or restored from elsewhere as the only one that is used from now on. */
  readonly isMoved?: boolean
  readonly publish?: PublishOptions
  readonly follow?: FollowOptions
}

/**
 * The order in which a session closes. Operations and loops end while the network and the databases are there; peers are
 * disconnected before the databases that serve them close.
 */
const stages = [
  'selection',
  'blocks',
  'loop',
  'indexing',
  'tasks',
  'network',
  'log',
  'workers',
  'state',
  'flush',
  'store'
] as const

/**
 * Opens a folder's databases, creates its loop and connects to peers. The loop doesn't run before `start`. If opening
 * fails, everything that was opened is closed.
 *
 * @throws {SyncError} DAMAGED, DISK_FULL, STORE_COPIED, FOLDER_FORMAT, PORT_IN_USE, BAD_KEY; or the storage engine's error
 */
export async function openSession(folder: Folder, options: SessionOptions): Promise<Session> {
  const { monitor, network, onFailure, inPlaceAbove, isIdle, isMoved = false, publish, follow } = options
  if (publish !== undefined && follow !== undefined)
    throw new TypeError("A session can't publish and follow at once yet")
  const order = new CloseOrder(stages)
  try {
    const blocks = order.add('blocks', new BlockHolders(folder.root, { shared: follow !== undefined }), (it) =>
      it.close()
    )
    const workers = order.add('workers', new Workers(), (it) => it.close())
    // Two that write one log break it for its readers; any number may follow it.
    const store = await openStore(folder, publish === undefined ? 'one-of-many' : isMoved ? 'only' : 'refuse')
    order.add('store', store, (it) => it.close())
    const log =
      publish === undefined
        ? await openFollowedLog(store, { blocks, workers }, required(follow))
        : await openPublishedLog(folder, store, blocks, publish)
    order.add('log', log, (it) => it.close())
    order.add('flush', log, (it) => it.flush())
    const state = order.add('state', await openState(folder.state, monitor), (it) => it.close())

    const staging = new Staging(folder.staging, { inPlaceAbove, files: blocks, workers })
    const replacedFiles = new ReplacedFiles({
      root: folder.root,
      blocks,
      log,
      keepReplaced: follow === undefined ? {} : retentionIn(folder.home, follow.keepReplaced, noticeTo(monitor)),
      isInPlace: (entry: FileEntry) => staging.isInPlace(entry),
      naming
    })
    const queue = new FolderQueue()
    const shared = {
      folder,
      monitor,
      network,
      store,
      state,
      blocks,
      workers,
      staging,
      replacedFiles,
      queue,
      inPlaceAbove,
      isIdle,
      onFailure
    }
    const loop = await log.createLoop(shared)
    order.add('loop', loop, (it) => closeLoop(it, network))
    if (loop.follows !== undefined) order.add('selection', loop.follows.selection, (it) => it.close())
    order.add('indexing', new Indexing(loop.source), (it) => it.close())
    const tasks = order.add('tasks', new Tasks(), (it) => it.ended())

    order.add('network', network, (it) => it.disconnect())
    const secret = follow?.key ?? parseKey(log.key)
    await network.connect({ store, home: folder.home, secret, sends: publish !== undefined })
    return {
      ...shared,
      key: log.key,
      tasks,
      publishes: loop.publishes,
      follows: loop.follows,
      loop,
      source: loop.source,
      close: () => {
        tasks.abort()
        return order.close()
      }
    }
  } catch (error) {
    // The failure that came first is the one that counts.
    await order.close().catch(() => {})
    throw error
  }
}

function required(follow: FollowOptions | undefined): FollowOptions {
  if (follow === undefined) throw new TypeError('A session publishes or follows')
  return follow
}

function openState(directory: string, monitor: Monitor): Promise<State> {
  return State.open(directory, () => {
    const message = `The state in ${directory} was damaged. p2psync rebuilds it and rescans the folder`
    monitor.emit({ type: 'notice', message })
  })
}

function noticeTo(monitor: Monitor): (message: string) => void {
  return (message) => monitor.emit({ type: 'notice', message })
}

/** A paused loop waits for its turn: it can end only when the queue lets it go. */
async function closeLoop(loop: { close(): Promise<void> }, network: FolderNetwork): Promise<void> {
  const closed = loop.close()
  network.releaseQueue()
  await closed
}
