import type { Collected } from '../care/collect-garbage.ts'
import type { VerifyEvent } from '../care/verify-events.ts'
import { type RestoreParams, type RestoreRecord, restore as restoreIn } from '../change/restore.ts'
import { type RevertParams, type RevertRecord, revert as revertIn } from '../change/revert.ts'
import { SyncError } from '../errors.ts'
import type { Selected, SelectOptions } from '../mirror/change-selection.ts'
import { pathOf, versionNamed } from '../query/log-source.ts'
import { ClonedFolderHandle } from './cloned-folder-handle.ts'
import type { FolderHandle } from './folder-handle.ts'

/**
 * Restores the folder, or a path of it, to a version.
 *
 * @throws {SyncError} NO_SUCH_VERSION, NO_SUCH_PATH, USAGE, HALTED, DISK_FULL, DAMAGED
 */
export async function* restoreOperation(
  handle: FolderHandle,
  { version: name, path: text, dryRun = false }: RestoreParams,
  signal: AbortSignal
): AsyncGenerator<RestoreRecord> {
  const path = pathOf(text)
  const { source } = handle
  const version = await versionNamed(source, name, signal)
  const { view } = source
  yield* await handle.inTurn(signal, (workspace, ended) =>
    restoreIn({ ...workspace, view }, version, { path, dryRun }, ended)
  )
}

/** Reverts local changes of a mirror to the log. @throws {SyncError} FOLDER_ROLE, and what `restore` throws */
export async function* revertOperation(
  handle: FolderHandle,
  { path: text, dryRun = false }: RevertParams,
  signal: AbortSignal
): AsyncGenerator<RevertRecord> {
  const path = pathOf(text)
  if (!(handle instanceof ClonedFolderHandle)) {
    throw new SyncError(
      'FOLDER_ROLE',
      'It is shared from here: what is in it counts. p2psync restore brings versions back'
    )
  }
  const { view } = handle.source
  yield* await handle.inTurn(signal, (workspace, ended) => revertIn({ ...workspace, view }, { path, dryRun }, ended))
}

export interface GcParams {
  /** Versions younger than this are kept, in milliseconds. */
  readonly keepMs: number
  /** The least number of versions to keep. */
  readonly keepVersions?: number
  readonly dryRun?: boolean
}

export interface GcRecord extends Collected {
  readonly type: 'gc'
  readonly dryRun: boolean
}

/** Forgets the contents of old versions. Throws what `collectGarbage` throws. */
export async function* gc(handle: FolderHandle, params: GcParams, signal: AbortSignal): AsyncGenerator<GcRecord> {
  const { dryRun = false } = params
  yield { type: 'gc', dryRun, ...(await handle.collectGarbage({ ...params, signal })) }
}

export interface VerifyParams {
  /** The share of files and blocks to read: above 0, up to 1. */
  readonly sample?: number
  readonly repair?: boolean
  /** How long to wait for a peer that has what a repair needs, in milliseconds. */
  readonly timeoutMs?: number
}

/** Compares the disk with the signed log. Throws what `verify` of the handle throws. */
export function verifyOperation(
  handle: FolderHandle,
  params: VerifyParams,
  signal: AbortSignal
): AsyncGenerator<VerifyEvent> {
  return handle.verify({ ...params, signal })
}

export interface SelectionReport extends Selected {
  readonly type: 'selection'
}

/** Changes the selection of a mirror, or only reads it. @throws {SyncError} FOLDER_ROLE, USAGE, LOCKED */
export async function* select(handle: FolderHandle, options: SelectOptions): AsyncGenerator<SelectionReport> {
  if (!(handle instanceof ClonedFolderHandle)) {
    throw new SyncError('FOLDER_ROLE', 'It is shared from here: it holds all that is in it. Select in a mirror')
  }
  yield { type: 'selection', ...(await handle.select(options)) }
}
