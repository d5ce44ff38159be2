import { databaseFailure, SyncError } from '../../errors.ts'
import type { Head } from '../../format/head-codec.ts'
import type { Version } from '../../tree/tree.ts'
import { beeOf, contentKeyOf, headOf, versionOf } from '../bee/entries.ts'
import { LogStore, parseKey } from '../hypercore/store.ts'

/** The latest version of a log in a store. */
export interface StoreHealth {
  /** The latest version, or `undefined` before the first. */
  readonly version: Version | undefined
  readonly head: Head | undefined
}

/**
 * Reads the latest version of the log with this key in a store, and the ends of its cores. Writes nothing. It doesn't
 * read everything: damage further down shows when those blocks are needed.
 *
 * @throws {SyncError} DAMAGED, FOLDER_FORMAT, FOLDER_UNREADABLE, BAD_KEY
 */
export async function inspectStore(directory: string, key: string): Promise<StoreHealth> {
  const store = await LogStore.openReadOnly(directory)
  try {
    const entries = await store.keyed(parseKey(key))
    const version = versionOf(entries)
    if (version === undefined) return { version, head: undefined }
    // A reader knows the length of the log before it has all of it, and nobody sends the rest here.
    const isWhole = await entries.has(0, version.length)
    if (!isWhole && !((await entries.has(0)) && (await entries.has(version.length - 1))))
      return { version, head: undefined }
    const bee = beeOf(entries.session({ wait: false }))
    await bee.ready()
    const head = await headOf(bee, version).catch((error: unknown) => {
      if (isWhole) throw error
      return undefined
    })
    const content = await store.keyed(await contentKeyOf(bee))
    if (content.length > 0) await content.get(content.length - 1, { wait: false })
    return { version, head }
  } catch (error) {
    const known = databaseFailure('store', directory, error)
    if (known !== undefined || error instanceof SyncError) throw known ?? error
    const message = `The store ${directory} can't be read: ${error instanceof Error ? error.message : error}`
    throw new SyncError('DAMAGED', message, { cause: error })
  } finally {
    // Closing a damaged store fails too, and would hide the reason.
    await store.close().catch(() => {})
  }
}
