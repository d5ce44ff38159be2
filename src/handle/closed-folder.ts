import { join } from 'node:path'
import { LiveBaseline } from '../baseline/baseline.ts'
import { BlockHolders } from '../baseline/block-holders.ts'
import { PathIndexFile } from '../disk/state/index-file.ts'
import { isPaused } from '../disk/state/pause-file.ts'
import { State } from '../disk/state/state.ts'
import { SyncError } from '../errors.ts'
import type { KnownFolder } from '../folder/known-folder.ts'
import type { BlockFiles } from '../log/hypercore/block-places.ts'
import { StoredLog } from '../log/stored-log.ts'
import type { LogSource } from '../query/log-source.ts'
import { diskOf, type StatusRecord } from './status.ts'

/** A folder that no process has open, opened to be read. Only its index is written, and others may read it, too. */
export class ClosedFolder {
  readonly folder: KnownFolder
  readonly source: LogSource
  readonly state: State | undefined
  readonly #log: StoredLog
  readonly #blocks: BlockHolders

  private constructor(
    folder: KnownFolder,
    source: LogSource,
    state: State | undefined,
    log: StoredLog,
    blocks: BlockHolders
  ) {
    this.folder = folder
    this.source = source
    this.state = state
    this.#log = log
    this.#blocks = blocks
  }

  /** @throws {SyncError} FOLDER_MISSING, DAMAGED, FOLDER_FORMAT, FOLDER_UNREADABLE */
  static async open(folder: KnownFolder): Promise<ClosedFolder> {
    const { root, home, key } = folder
    if (key === undefined) throw new SyncError('FOLDER_MISSING', `${root} was never shared. p2psync share does it`)
    const state = await State.openReadOnly(join(home, 'state'))
    const blocks = new BlockHolders(root)
    try {
      const log = await StoredLog.open(join(home, 'store'), key, filesOf(state, blocks), new PathIndexFile(home))
      const source: LogSource = {
        key,
        root,
        view: log.view,
        records: () => state?.records() ?? none(),
        settled: async () => {},
        onChange: () => () => {},
        carried: (version) => version
      }
      return new ClosedFolder(folder, source, state, log, blocks)
    } catch (error) {
      await state?.close()
      throw error
    }
  }

  /** The status of the folder. */
  async status(): Promise<StatusRecord> {
    const { root, home, role, key } = this.folder
    const { view } = this.source
    const latest = await view.finished()
    const applied = role === 'writer' ? latest : await this.state?.note('since')
    const version =
      applied && applied.length > 0 ? { fork: latest?.fork ?? applied.fork, length: applied.length } : undefined
    const head = version && (await view.head(version).catch(() => undefined))
    const start = role === 'writer' ? `p2psync share ${root}` : `p2psync clone ${key} ${root}`
    return {
      type: 'status',
      role,
      key,
      folder: root,
      state: 'stopped',
      ...(version === undefined ? {} : { version: version.length }),
      ...(view.latest === undefined ? {} : { newest: view.latest.length }),
      percent: version !== undefined && version.length === view.latest?.length ? 100 : 0,
      files: head?.files ?? 0,
      bytes: head?.bytes ?? 0,
      missing: { files: 0, bytes: 0 },
      reason: `${isPaused(home) ? 'Paused, and no' : 'No'} process runs it. Start it: ${start}`,
      diverged: [],
      conflicts: [],
      problems: [],
      peers: [],
      disk: diskOf(home)
    }
  }

  async close(): Promise<void> {
    this.#blocks.close()
    await this.state?.close()
    await this.#log.close()
  }
}

/** The places of blocks in files, loaded from the state at the first read: most uses of a log need none. */
function filesOf(state: State | undefined, blocks: BlockHolders): BlockFiles {
  let loaded: Promise<unknown> | undefined
  return {
    read: async (block, length, offsetOf) => {
      loaded ??= state === undefined ? Promise.resolve() : LiveBaseline.of(state.records(), blocks)
      await loaded
      return blocks.read(block, length, offsetOf)
    }
  }
}

async function* none(): AsyncGenerator<never> {}
