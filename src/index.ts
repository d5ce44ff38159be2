import type { Check } from './care/checks.ts'
import type { DiagnoseOptions } from './care/doctor.ts'
import { ControlServer } from './control/server.ts'
import { ClonedFolderHandle } from './handle/cloned-folder-handle.ts'
import type { ClonedFolder, CloneOptions, SharedFolder, ShareOptions } from './handle/folder-api.ts'
import type { Attach } from './handle/folder-handle.ts'
import { SharedFolderHandle } from './handle/shared-folder-handle.ts'
import type { Address } from './net/address/address.ts'
import { PrivateDht as DhtNodes, type PrivateDhtOptions } from './net/dht/bootstrap.ts'

export type { Check } from './care/checks.ts'
export type { Collected, CollectOptions } from './care/collect-garbage.ts'
export type { DiagnoseOptions } from './care/doctor.ts'
export type { DamagedThing, VerifyEvent, VerifyOptions } from './care/verify-events.ts'
export { type OpenedLog, type OpenOptions, openLog } from './control/open.ts'
export { type ErrorCode, SyncError } from './errors.ts'
export type { InPlaceOptions } from './folder/in-place-options.ts'
export type { SyncEvent } from './folder/monitor.ts'
export type { KeptContent } from './folder/replaced-files.ts'
export type { KeepReplaced } from './folder/replaced-retention.ts'
export type {
  ClonedFolder,
  CloneOptions,
  CommonFolderOptions,
  OpenFolder,
  SharedFolder,
  ShareOptions
} from './handle/folder-api.ts'
export type { PeerRecord, StatusRecord } from './handle/status.ts'
export { type VerifyFolderOptions, verifyFolder } from './handle/verify-folder.ts'
export { type Selected, type SelectOptions, selectFolder } from './mirror/change-selection.ts'
export type { PrivateDhtOptions } from './net/dht/bootstrap.ts'
export type { Address, ConnectOptions, Limits, PeerAddress, PeerStatus, Traffic } from './peers/connections.ts'
export { limitFolder } from './peers/limit-folder.ts'
export { machineKey } from './peers/machine-key.ts'
export type { Problem } from './tree/tree.ts'
export type { VersionName } from './tree/version-name.ts'

/** A private DHT at work in this process. */
export interface PrivateDht {
  /** The first and the last of the UDP ports that others must reach. */
  readonly ports: readonly [first: number, last: number]
  /** Addresses at which the DHT can be joined: the one by which its nodes go comes first, loopback last. */
  readonly addresses: readonly Address[]
  /** Resolves when the nodes have joined each other. @throws {SyncError} PORT_IN_USE, USAGE for a host of another machine */
  ready(): Promise<void>
  /** Calls `listener` whenever the addresses have changed. @returns a function that ends it */
  onMove(listener: () => void): () => void
  close(): Promise<void>
}

/**
 * Publishes a directory and follows its changes: whoever has the key can clone it. Nothing happens before `ready()` is
 * called on the handle.
 *
 * @param directory an existing directory; p2psync keeps its own files in `.p2psync` there
 */
export function share(directory: string, options: ShareOptions = {}): SharedFolder {
  return new SharedFolderHandle(directory, { ...options, attach: serveControl })
}

/**
 * Rebuilds the folder of a key in a directory and follows its log. Nothing happens before `ready()` is called on the
 * handle.
 *
 * @param key as `share` printed it
 * @param directory a new or empty directory, or a mirror of the same key
 * @throws {SyncError} BAD_KEY, USAGE
 */
export function clone(key: string, directory: string, options: CloneOptions = {}): ClonedFolder {
  return new ClonedFolderHandle(key, directory, { ...options, attach: serveControl })
}

/**
 * A private DHT for networks that want no outside dependency: give its `addresses` to `share` and `clone` as
 * `bootstrap`. It runs from `ready()` to `close()`.
 *
 * @throws {SyncError} USAGE
 */
export function bootstrap(options: PrivateDhtOptions = {}): PrivateDht {
  return new DhtNodes(options)
}

/**
 * Checks what p2psync depends on, on this machine and around it, with advice where something is wrong. No check throws: an
 * error becomes its result.
 *
 * @throws {SyncError} BAD_KEY, FOLDER_MISSING before the first check, when the target is neither key nor directory
 */
export async function* diagnose(options: DiagnoseOptions = {}): AsyncGenerator<Check, void, undefined> {
  // Its probes load a DHT and multicast, which a folder may do without.
  const { runDiagnosis } = await import('./care/doctor.ts')
  yield* runDiagnosis(options)
}

/** Lets other processes of the user ask a folder and operate on it while it is at work here. */
const serveControl: Attach = async (handle, { home, marker }) => {
  const server = new ControlServer(handle)
  await server.listen(home, marker.id)
  return server
}
