import { SyncError } from '../errors.ts'
import { beeOf, contentKeyOf } from './bee/entries.ts'
import { type IndexFile, PathIndex } from './bee/path-index.ts'
import { RelocationTable } from './content/relocations.ts'
import { type BlockFiles, BlockPlaces } from './hypercore/block-places.ts'
import { LogStore, parseKey } from './hypercore/store.ts'
import { LogView } from './log-view.ts'

/** A log in a store that no process uses, opened read-only. */
export class StoredLog {
  readonly view: LogView
  readonly #store: LogStore

  private constructor(store: LogStore, view: LogView) {
    this.#store = store
    this.view = view
  }

  /**
   * Opens the log with this key in the store in `directory`.
   *
   * @param files the files that hold blocks in place
   * @param index the file of the index of paths
   * @throws {SyncError} BAD_KEY, DAMAGED, FOLDER_FORMAT, FOLDER_UNREADABLE
   */
  static async open(directory: string, key: string, files: BlockFiles, index: IndexFile): Promise<StoredLog> {
    const store = await LogStore.openReadOnly(directory)
    try {
      const entries = (await store.keyed(parseKey(key))).session({ wait: false })
      await entries.ready()
      const bee = beeOf(entries)
      await bee.ready()
      const content = async () => {
        const core = await store.keyed(await contentKeyOf(bee))
        const session = core.session({ wait: false })
        const relocations = new RelocationTable(session, () => false)
        return { core: session, places: new BlockPlaces(core, files), relocations }
      }
      let opened: ReturnType<typeof content> | undefined
      const view = new LogView({
        entries,
        bee,
        content: () => {
          opened ??= content()
          return opened
        },
        fetch: async (start, end) => {
          if (await entries.has(start, end)) return
          throw new SyncError('NOT_HELD', 'Not all of the history is here yet. p2psync clone fetches it')
        },
        arrivals: { received: () => 0, hasPeers: () => true },
        index: new PathIndex(entries, index),
        directory
      })
      return new StoredLog(store, view)
    } catch (error) {
      await store.close().catch(() => {})
      throw error
    }
  }

  close(): Promise<void> {
    return this.#store.close()
  }
}
