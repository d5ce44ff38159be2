import { ControlServer } from './control/server.ts'
import { ClonedFolder, type CloneOptions } from './handle/cloned-folder.ts'
import type { FolderHandle } from './handle/folder-handle.ts'
import { SharedFolder, type ShareOptions } from './handle/shared-folder.ts'
import { PrivateDht, type PrivateDhtOptions } from './net/dht/bootstrap.ts'

export type { Check } from './care/checks.ts'
export type { Collected, CollectOptions } from './care/collect-garbage.ts'
export { type DiagnoseOptions, diagnose } from './care/doctor.ts'
export type { DamagedThing, VerifyEvent, VerifyOptions } from './care/verify-events.ts'
export { type OpenedLog, type OpenOptions, openLog } from './control/open.ts'
export { type ErrorCode, SyncError } from './errors.ts'
export type { InPlaceOptions } from './folder/in-place-options.ts'
export type { SyncEvent } from './folder/monitor.ts'
export type { KeptContent } from './folder/replaced-files.ts'
export type { KeepReplaced } from './folder/replaced-retention.ts'
export type { ClonedFolder, CloneOptions } from './handle/cloned-folder.ts'
export type { SharedFolder, ShareOptions } from './handle/shared-folder.ts'
export { type VerifyFolderOptions, verifyFolder } from './handle/verify-folder.ts'
export { type Selected, type SelectOptions, selectFolder } from './mirror/change-selection.ts'
export type { PrivateDht, PrivateDhtOptions } from './net/dht/bootstrap.ts'
export type { Address, ConnectOptions, Limits, PeerAddress, PeerStatus, Traffic } from './peers/connections.ts'
export { limitFolder } from './peers/limit-folder.ts'
export { machineKey } from './peers/machine-key.ts'
export type { Problem } from './tree/tree.ts'
export type { VersionName } from './tree/version-name.ts'

/**
 * Publishes a directory and follows it: whoever has the key can clone it. Nothing happens before
 * `ready()` is called on the handle.
 *
 * @param directory an existing directory; what p2psync keeps goes to `.p2psync` in it
 */
export function share(directory: string, options: ShareOptions = {}): SharedFolder {
  return controlled(new SharedFolder(directory, options))
}

/**
 * Rebuilds the folder of a key in a directory and follows it. Nothing happens before `ready()` is
 * called on the handle.
 *
 * @param key as `share` printed it
 * @param directory a new or empty directory, or a mirror of the same key
 * @throws {SyncError} BAD_KEY, USAGE
 */
export function clone(key: string, directory: string, options: CloneOptions = {}): ClonedFolder {
  return controlled(new ClonedFolder(key, directory, options))
}

/**
 * A private DHT for networks that want no outside dependency: give its `addresses` to `share` and `clone` as
 * `bootstrap`. It runs from `ready()` to `close()`.
 *
 * @throws {SyncError} USAGE
 */
export function bootstrap(options: PrivateDhtOptions = {}): PrivateDht {
  return new PrivateDht(options)
}

/** Other processes of the user may ask it how it stands, and have it do things, as long as it is at work. */
function controlled<Handle extends FolderHandle>(handle: Handle): Handle {
  handle.attach(async ({ home, marker }) => {
    const server = new ControlServer(handle)
    await server.listen(home, marker.id)
    return server
  })
  return handle
}
