import { SyncError } from '../errors.ts'
import type { FolderHandle } from './folder-handle.ts'
import type { NoParams } from './operation-params.ts'
import { type PeerRecord, peerRecord, type StatusRecord } from './status.ts'

/** The status of the folder. */
export async function* status(handle: FolderHandle, _: NoParams): AsyncGenerator<StatusRecord> {
  yield handle.status()
}

/** The connected peers. */
export async function* peers(handle: FolderHandle, _: NoParams): AsyncGenerator<PeerRecord> {
  for (const peer of handle.connections) yield peerRecord(peer, handle.activity)
}

export interface WaitParams {
  /** The number of a version; the newest known, when left out. */
  readonly version?: string
  /** How long to wait, in milliseconds; without end when left out. */
  readonly timeoutMs?: number
}

/** Node's timers end at once with a longer delay. */
const timerMsMax = 2 ** 31 - 1

/** The folder holds the version that was awaited. */
export interface HeldRecord {
  readonly type: 'held'
  readonly version: number
}

/** Waits until the folder holds a version. @throws {SyncError} NO_PEER at the timeout; USAGE */
export async function* wait(
  handle: FolderHandle,
  { version: text, timeoutMs }: WaitParams,
  signal: AbortSignal
): AsyncGenerator<HeldRecord> {
  const number = text === undefined ? undefined : Number(text.replace(/^@/, ''))
  if (number !== undefined && !(Number.isSafeInteger(number) && number > 0)) {
    throw new SyncError('USAGE', `${JSON.stringify(text)} is not the number of a version`)
  }
  yield { type: 'held', version: await untilHeld(handle, number, timeoutMs, signal) }
}

function untilHeld(
  handle: FolderHandle,
  number: number | undefined,
  timeoutMs: number | undefined,
  signal: AbortSignal
): Promise<number> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer)
      unsubscribe()
      signal.removeEventListener('abort', onAbort)
    }
    const check = () => {
      const { holds } = handle
      // A mirror emits no event for a version without changes: it may hold a later one than it told.
      if (holds === undefined || !(number === undefined ? handle.activity.isDone : holds >= number)) return
      end()
      resolve(holds)
    }
    const onAbort = () => {
      end()
      reject(signal.reason)
    }
    const onLate = () => {
      end()
      const { reason = 'It is still at work' } = handle.status()
      reject(new SyncError('NO_PEER', `It doesn't hold that yet. ${reason}`))
    }
    const timer = timeoutMs === undefined ? undefined : setTimeout(onLate, Math.min(timeoutMs, timerMsMax))
    const unsubscribe = handle.subscribe(check)
    signal.addEventListener('abort', onAbort)
    check()
  })
}

/** The folder is paused now, or isn't any more. */
export interface PausedRecord {
  readonly type: 'paused'
  readonly paused: boolean
}

export async function* pause(handle: FolderHandle, _: NoParams): AsyncGenerator<PausedRecord> {
  await handle.pause()
  yield { type: 'paused', paused: true }
}

export async function* resume(handle: FolderHandle, _: NoParams): AsyncGenerator<PausedRecord> {
  await handle.resume()
  yield { type: 'paused', paused: false }
}
