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
import { ClonedFolder, type CloneOptions } from './cloned-folder.ts'
import { SharedFolder } from './shared-folder.ts'

/** How `verifyFolder` opens a folder, and what it verifies. */
export interface VerifyFolderOptions extends VerifyOptions, ConnectOptions, InPlaceOptions {
  /** Where log and state are kept, if not in the folder. */
  readonly state?: string
}

/** What the folder is, as its marker says. */
interface Known {
  readonly root: string
  readonly role: 'writer' | 'reader'
  readonly key: string
}

/**
 * Opens a folder that nobody else has open, and compares what is on disk with the signed log, as `verify` of its handle
 * does; also where its store can't be opened any more. Nothing is published or applied, and no peer is looked for unless
 * something is to be mended.
 *
 * @throws {SyncError} FOLDER_MISSING, FOLDER_UNREADABLE, LOCKED, HALTED, USAGE; the signal's reason
 */
export async function* verifyFolder(directory: string, options: VerifyFolderOptions = {}): AsyncGenerator<VerifyEvent> {
  const known = markerOf(directory)
  const folder = handleOf(known, options)
  try {
    const failure = await folder.ready().catch(damageOf)
    if (failure === undefined) {
      yield* folder.verify(options)
      return
    }
    yield* verifyWithoutStore(known, failure, options)
  } catch (error) {
    // What a sample has passed over may still be met.
    throw databaseFailure('store', known.root, error) ?? error
  } finally {
    // A store that is damaged may not close in order: that it is was told.
    await folder.close().catch((error: unknown) => {
      if (databaseFailure('store', known.root, error) === undefined) throw error
    })
  }
}

function markerOf(directory: string): Known {
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

function handleOf(
  { root, role, key }: Known,
  options: VerifyFolderOptions,
  more: CloneOptions = {}
): SharedFolder | ClonedFolder {
  const { sample: _, repair = false, timeoutMs: __, signal: ___, ...given } = options
  const opened = { ...given, still: true, offline: !repair }
  return role === 'writer'
    ? new SharedFolder(root, { ...opened, existing: true })
    : new ClonedFolder(key, root, { ...opened, ...more })
}

/** What keeps a store from being opened, where that is damage. */
function damageOf(error: unknown): SyncError {
  if (error instanceof SyncError && error.code === 'DAMAGED') return error
  throw error
}

/** The store is of no use: the files are compared with what is remembered, and it is fetched anew. */
async function* verifyWithoutStore(
  known: Known,
  failure: SyncError,
  options: VerifyFolderOptions
): AsyncGenerator<VerifyEvent> {
  const { sample = 1, repair = false, timeoutMs = 60_000, signal = new AbortController().signal } = options
  const findings = new Findings()
  yield findings.take({ type: 'damaged', what: 'store', message: failure.message })
  for await (const event of verifyByState(known, findings, { ...options, sample, signal })) yield findings.take(event)
  if (!repair) {
    yield findings.end(sample)
    return
  }
  if (known.role === 'writer') {
    for (const { path } of findings.files)
      yield { type: 'unrepaired', what: 'file', path, message: 'Its log is damaged' }
    yield { type: 'unrepaired', what: 'store', message: failure.message }
    yield findings.end(sample)
    return
  }
  const folder = handleOf(known, options, { rebuild: true, still: false }) as ClonedFolder
  let isAnew = false
  const patience = new IdleTimeout(signal, { timeoutMs, received: () => folder.traffic.received })
  try {
    await folder.followOnce(patience)
    isAnew = true
    yield findings.take({ type: 'repaired', what: 'store' })
    for await (const event of folder.repair(findings, { timeoutMs, signal })) yield findings.take(event)
  } catch (error) {
    if (!patience.isOver) throw error
    yield { type: 'unrepaired', what: 'store', message: 'No peer was found that has the log' }
  } finally {
    patience.end()
    await folder.close()
    if (!isAnew) folder.takeBack()
  }
  yield findings.end(sample)
}

async function* verifyByState(
  { root, role, key }: Known,
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
