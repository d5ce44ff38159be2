import { resolve } from 'node:path'
import { LiveBaseline } from '../baseline/baseline.ts'
import { Findings, type VerifyEvent, type VerifyOptions } from '../care/verify-events.ts'
import { verifyFiles } from '../care/verify-files.ts'
import { readMarker } from '../disk/state/marker.ts'
import { State } from '../disk/state/state.ts'
import { Workers } from '../disk/threads/workers.ts'
import { databaseFailure, SyncError } from '../errors.ts'
import { openFolder } from '../folder/folder.ts'
import { FolderQueue } from '../folder/folder-queue.ts'
import { IdleTimeout } from '../folder/idle-timeout.ts'
import type { InPlaceOptions } from '../folder/in-place-options.ts'
import type { ConnectOptions } from '../peers/connections.ts'
import { exactFileSystem } from '../tree/file-system.ts'
import { ClonedFolderHandle } from './cloned-folder-handle.ts'
import type { CommonFolderOptions } from './folder-api.ts'
import { SharedFolderHandle } from './shared-folder-handle.ts'

/** How `verifyFolder` opens a folder, and what it verifies. */
export interface VerifyFolderOptions extends VerifyOptions, ConnectOptions, InPlaceOptions {
  /** The directory of log and state, if they aren't in the folder. */
  readonly state?: string
}

/** How long a repair waits for a peer that has what it needs, in milliseconds. */
const timeoutMsDefault = 60_000

/** A folder by its marker. */
interface MarkedFolder {
  readonly root: string
  readonly role: 'writer' | 'reader'
  readonly key: string
}

/**
 * Opens a folder that no other process has open, and compares its disk with the signed log, as `verify` of its handle
 * does; also a folder whose store can't be opened any more. Nothing is published or applied, and no peer is looked for
 * unless damage is to be repaired.
 *
 * @throws {SyncError} FOLDER_MISSING, FOLDER_UNREADABLE, LOCKED, HALTED, USAGE; the signal's reason
 */
export async function* verifyFolder(directory: string, options: VerifyFolderOptions = {}): AsyncGenerator<VerifyEvent> {
  const marked = readMarked(directory)
  const { root, role, key } = marked
  const folderOptions = { ...folderOptionsOf(options), idle: true }
  const folder =
    role === 'writer'
      ? new SharedFolderHandle(root, { ...folderOptions, existing: true })
      : new ClonedFolderHandle(key, root, folderOptions)
  try {
    const damage = await folder.ready().catch(damageOf)
    if (damage === undefined) yield* folder.verify(options)
    else yield* verifyWithoutStore(marked, damage, options)
  } catch (error) {
    // A sample may have passed over damage that is found later.
    throw databaseFailure('store', root, error) ?? error
  } finally {
    // A damaged store may not close in order, and its damage was told already.
    await folder.close().catch((error: unknown) => {
      if (databaseFailure('store', root, error) === undefined) throw error
    })
  }
}

function readMarked(directory: string): MarkedFolder {
  const root = resolve(directory)
  const marker = readMarker(root)
  if (marker === undefined) {
    throw new SyncError(
      'FOLDER_MISSING',
      `${root} is not a folder of p2psync. Share or clone it first, or mount its disk`
    )
  }
  if (marker.key === null) throw new SyncError('FOLDER_MISSING', `${root} was never published: there is no log yet`)
  return { root, role: marker.role, key: marker.key }
}

function folderOptionsOf(options: VerifyFolderOptions): CommonFolderOptions {
  const { sample: _, repair = false, timeoutMs: __, signal: ___, ...folderOptions } = options
  return { ...folderOptions, offline: !repair }
}

/** The damage that keeps a store from being opened. @throws `error` if it is something else */
function damageOf(error: unknown): SyncError {
  if (error instanceof SyncError && error.code === 'DAMAGED') return error
  throw error
}

/** Without its store, the files of a folder are compared with its state, and the log of a mirror is fetched anew. */
async function* verifyWithoutStore(
  marked: MarkedFolder,
  damage: SyncError,
  options: VerifyFolderOptions
): AsyncGenerator<VerifyEvent> {
  const { sample = 1, repair = false, signal = new AbortController().signal } = options
  const findings = new Findings()
  yield findings.take({ type: 'damaged', what: 'store', message: damage.message })
  for await (const event of verifyByState(marked, findings, { ...options, sample, signal })) yield findings.take(event)
  if (repair && marked.role === 'writer') yield* unrepairedSource(findings, damage)
  if (repair && marked.role === 'reader') yield* rebuildMirror(marked, findings, { ...options, signal })
  yield findings.end(sample)
}

/** Only its writer has a log for certain: nobody can repair a source whose store is lost. */
function* unrepairedSource({ files }: Findings, damage: SyncError): Generator<VerifyEvent> {
  for (const { path } of files) yield { type: 'unrepaired', what: 'file', path, message: 'Its log is damaged' }
  yield { type: 'unrepaired', what: 'store', message: damage.message }
}

/** Fetches the log of a mirror anew and repairs its files; when no peer has the log, the old store comes back. */
async function* rebuildMirror(
  { root, key }: MarkedFolder,
  findings: Findings,
  options: VerifyFolderOptions & { readonly signal: AbortSignal }
): AsyncGenerator<VerifyEvent> {
  const { timeoutMs = timeoutMsDefault, signal } = options
  const folder = new ClonedFolderHandle(key, root, { ...folderOptionsOf(options), rebuild: true })
  const timeout = new IdleTimeout(signal, { timeoutMs, received: () => folder.traffic.received })
  let isRebuilt = false
  try {
    await folder.followOnce(timeout)
    isRebuilt = true
    yield findings.take({ type: 'repaired', what: 'store' })
    for await (const event of folder.repair(findings, { timeoutMs, signal })) yield findings.take(event)
  } catch (error) {
    if (!timeout.isOver) throw error
    yield { type: 'unrepaired', what: 'store', message: 'No peer was found that has the log' }
  } finally {
    timeout.end()
    await folder.close()
    if (!isRebuilt) folder.takeBackStore()
  }
}

async function* verifyByState(
  { root, role, key }: MarkedFolder,
  findings: Findings,
  { state: home, sample, signal }: VerifyFolderOptions & { readonly sample: number; readonly signal: AbortSignal }
): AsyncGenerator<VerifyEvent> {
  const folder = openFolder(root, { role, state: home, existing: true, ...(role === 'reader' && { key }) })
  const workers = new Workers()
  let state: State | undefined
  try {
    state = await State.open(folder.state)
    const baseline = await LiveBaseline.of(state.records())
    const recorded = async () => ({ baseline, traits: exactFileSystem, entries: undefined })
    yield* verifyFiles({ folder, workers, queue: new FolderQueue(), recorded }, findings, { sample, signal })
  } finally {
    await state?.close()
    await workers.close()
    folder.lock.release()
  }
}
