import { probeFileSystem } from '../disk/capabilities.ts'
import type { Applied } from '../disk/materialise.ts'
import { Staging } from '../disk/stage.ts'
import type { State } from '../disk/state.ts'
import type { Workers } from '../disk/workers.ts'
import type { LeafHasher } from '../log/hash-ahead.ts'
import type { LogReader } from '../log/reader.ts'
import type { LogStore } from '../log/store.ts'
import type { LogWriter } from '../log/writer.ts'
import { exactFileSystem, foldsNames } from '../tree/file-system.ts'
import type { TreePath } from '../tree/path.ts'
import type { BlockHolders } from './block-holders.ts'
import type { Folder } from './folder.ts'
import type { Mirror } from './mirror.ts'
import type { Monitor } from './monitor.ts'
import { type OverwriteOptions, type Overwritten, overwrite } from './overwrite.ts'
import type { Publisher } from './publish.ts'
import { rescueAside } from './rescue-aside.ts'
import type { VerifyHost } from './verify-host.ts'

interface Common {
  readonly folder: Folder
  readonly store: LogStore
  readonly state: State
  readonly workers: Workers
  readonly received: () => number
  readonly renewState: VerifyHost['renewState']
}

/** A mirror, as it is checked and mended. */
export function mirrorHost(
  common: Common & Pick<VerifyHost, 'rebuild'> & { readonly hasher: LeafHasher },
  mirror: Mirror,
  reader: LogReader
): VerifyHost {
  return {
    ...common,
    turns: mirror.turns,
    cores: () => reader.cores(),
    recorded: async () => {
      const { baseline, traits, version } = await mirror.recorded()
      // Where names are folded, files are called otherwise here than in the log.
      const isComparable = version !== undefined && !foldsNames(traits)
      return { baseline, traits, entries: isComparable ? await reader.entriesHere(version) : undefined }
    },
    overwrite: (paths, options) => mirror.overwrite(paths, options)
  }
}

/** A shared folder, as it is checked and mended. */
export function sharedHost(
  common: Common & {
    readonly monitor: Monitor
    readonly blocks: BlockHolders
    readonly hasher: LeafHasher
    readonly inPlaceAbove: number
  },
  publisher: Publisher,
  writer: LogWriter
): VerifyHost {
  const { folder, store, state, workers, received, monitor, blocks, inPlaceAbove } = common
  let staging: Staging | undefined
  const restore = async (paths: ReadonlySet<TreePath>, options: OverwriteOptions): Promise<Overwritten> => {
    const baseline = await publisher.recorded()
    if (staging === undefined) {
      staging = new Staging(folder.staging, { inPlaceAbove, files: blocks, workers })
      await rescueAside(folder.root, staging.open(), baseline, monitor)
    }
    const record = async ({ put }: Applied) => {
      for (const [path, record] of put) baseline.put(path, record)
      await state.commit((batch) => {
        for (const [path, record] of put) batch.put(path, record)
      })
    }
    const traits = probeFileSystem(folder.staging)
    const content = writer.contents(received, store.directory)
    return overwrite(paths, { folder, baseline, staging, workers, traits, monitor, content, record }, options)
  }
  return {
    ...common,
    turns: publisher.turns,
    cores: async () => writer.cores(),
    // What is recorded was read from this file system, whatever that is.
    recorded: async () => {
      const baseline = await publisher.recorded()
      return { baseline, traits: exactFileSystem, entries: writer.entries(() => {}) }
    },
    overwrite: (paths, options) => publisher.turns.run(() => restore(paths, options)),
    rebuild: undefined
  }
}
