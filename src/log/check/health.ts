import { databaseFailure, SyncError } from '../../errors.ts'
import type { Head } from '../../format/head-codec.ts'
import type { Version } from '../../tree/tree.ts'
import { beeOf, contentKeyOf, headOf, versionOf } from '../bee/entries.ts'
import { LogStore, parseKey } from '../hypercore/store.ts'

/** What a store holds of its log. */
export interface StoreHealth {
  /** The latest version, or `undefined` before the first. */
  readonly version: Version | undefined
  readonly head: Head | undefined
}

/**
 * Reads the latest version of the log with this key in a store, and the ends of its cores. Nothing is written. It
 * doesn't read all: damage further down shows when it is needed.
 *
 * @throws {SyncError} DAMAGED, FOLDER_FORMAT, FOLDER_UNREADABLE, BAD_KEY
 */
export async function inspectStore(directory: string, key: string): Promise<StoreHealth> {
  const store = await LogStore.openReadOnly(directory)
  try {
    const entries = await store.keyed(parseKey(key))
    const version = versionOf(entries)
    if (version === undefined) return { version, head: undefined }
    // A reader knows how long the log is before it has all of it; here nobody would send the rest.
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
    // Of a damaged one that fails too, and would hide why.
    await store.close().catch(() => {})
  }
}
