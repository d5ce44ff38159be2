import { SyncError } from '../errors.ts'
import type { FolderHandle } from './folder-handle.ts'
import { type PeerRecord, peerRecord, type StatusRecord } from './status.ts'

/** For operations that take nothing. */
type Nothing = Readonly<Record<string, never>>

/** How the folder stands. */
export async function* status(handle: FolderHandle, _: Nothing): AsyncGenerator<StatusRecord> {
  yield handle.status()
}

/** The connected peers. */
export async function* peers(handle: FolderHandle, _: Nothing): AsyncGenerator<PeerRecord> {
  for (const peer of handle.connections) yield peerRecord(peer, handle.activity)
}

export interface WaitParams {
  /** The number of a version; whatever is the newest when left out. */
  readonly version?: string
  /** How long, in milliseconds; for good when left out. */
  readonly timeoutMs?: number
}

/** Node's timers take no longer delay; a longer one would be over at once. */
const timerMsMax = 2 ** 31 - 1

/** The folder holds what was waited for. */
export interface HeldRecord {
  readonly type: 'held'
  readonly version: number
}

/** Resolves when the folder holds a version, or all that is known of. @throws {SyncError} NO_PEER when it takes too long */
export async function* wait(
  handle: FolderHandle,
  { version: text, timeoutMs }: WaitParams,
  signal: AbortSignal
): AsyncGenerator<HeldRecord> {
  const number = text === undefined ? undefined : Number(text.replace(/^@/, ''))
  if (number !== undefined && !(Number.isSafeInteger(number) && number > 0)) {
    throw new SyncError('USAGE', `${JSON.stringify(text)} is not the number of a version`)
  }
  yield { type: 'held', version: await held(handle, number, timeoutMs, signal) }
}

function held(
  handle: FolderHandle,
  number: number | undefined,
  timeoutMs: number | undefined,
  signal: AbortSignal
): Promise<number> {
  const { activity: account } = handle
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer)
      unsubscribe()
      signal.removeEventListener('abort', onAbort)
    }
    const look = () => {
      const has = handle.holds
      // A mirror that is in sync may hold a later one, of which it has nothing to tell.
      if (has === undefined || !(number === undefined ? account.isDone : has >= number)) return
      end()
      resolve(has)
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
    const unsubscribe = handle.subscribe(look)
    signal.addEventListener('abort', onAbort)
    look()
  })
}

/** The folder rests now, or doesn't any more. */
export interface PausedRecord {
  readonly type: 'paused'
  readonly paused: boolean
}

export async function* pause(handle: FolderHandle, _: Nothing): AsyncGenerator<PausedRecord> {
  await handle.pause()
  yield { type: 'paused', paused: true }
}

export async function* resume(handle: FolderHandle, _: Nothing): AsyncGenerator<PausedRecord> {
  await handle.resume()
  yield { type: 'paused', paused: false }
}
