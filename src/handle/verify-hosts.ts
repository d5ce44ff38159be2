import type { VerifyHost } from '../care/verify-host.ts'
import { overwrite } from '../change/overwrite.ts'
import type { State } from '../disk/state/state.ts'
import type { Workers } from '../disk/threads/workers.ts'
import type { Folder } from '../folder/folder.ts'
import type { LeafHasher } from '../log/hypercore/hash-ahead.ts'
import type { LogStore } from '../log/hypercore/store.ts'
import type { LogReader } from '../log/reader.ts'
import type { LogWriter } from '../log/writer.ts'
import type { Mirror } from '../mirror/mirror.ts'
import type { Publisher } from '../publish/publisher.ts'
import { exactFileSystem, foldsNames } from '../tree/file-system.ts'

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
    queue: mirror.queue,
    cores: () => reader.cores(),
    recorded: async () => {
      const { baseline, traits, part, version: whole } = await mirror.workspace()
      // With nothing remembered at all, the latest version is what there should be.
      const version = whole ?? (baseline.records.size === 0 ? reader.version : undefined)
      // Where names are folded, files are called otherwise here than in the log; and a part of it is no tree of the log's.
      const isComparable = version !== undefined && part?.isAll !== false && !foldsNames(traits)
      return { baseline, traits, entries: isComparable ? await reader.entriesHere(version) : undefined }
    },
    overwrite: (paths, options) => mirror.queue.run(async () => overwrite(paths, await mirror.workspace(), options))
  }
}

/** A shared folder, as it is checked and mended. */
export function sharedHost(
  common: Common & { readonly hasher: LeafHasher },
  publisher: Publisher,
  writer: LogWriter
): VerifyHost {
  return {
    ...common,
    queue: publisher.queue,
    cores: async () => writer.cores(),
    // What is recorded was read from this file system, whatever that is.
    recorded: async () => {
      const { baseline } = await publisher.workspace()
      return { baseline, traits: exactFileSystem, entries: writer.entries(() => {}) }
    },
    overwrite: (paths, options) =>
      publisher.queue.run(async () => overwrite(paths, await publisher.workspace(), options)),
    rebuild: undefined
  }
}
