import { SyncError } from '../../errors.ts'
import type { ClonedFolder } from '../../index.ts'
import { exitStatus } from '../output/exit-status.ts'
import { failure, forever } from './session.ts'

/** With --once, how long to look for a first peer. */
const onceTimeoutMs = 60_000

export interface UntilClonedOptions {
  /** Ends when the mirror is in sync; never when left out. */
  readonly once?: boolean
  /** How long the mirror may have no peers, or with `once` a full disk without progress; in milliseconds. */
  readonly timeout?: number
}

/**
 * When `clone` ends. Call this before the folder opens, so that no event is missed.
 *
 * @returns for an open folder: resolves with the exit status; rejects with NO_PEER, DISK_FULL, or what stopped the work
 */
export function untilCloned(folder: ClonedFolder, { once, timeout }: UntilClonedOptions): () => Promise<number> {
  const inSync = folder.inSync()
  inSync.catch(() => {}) // It rejects when the folder closes first.
  // A full disk has its own time limit, below.
  const failed = failure(folder, ['DISK_FULL'])
  return () => {
    const timeoutMs = timeout ?? (once ? onceTimeoutMs : undefined)
    const statusInSync = () => (folder.problems.length > 0 ? exitStatus.partial : exitStatus.ok)
    const ends = once ? [inSync.then(statusInSync), failed] : [forever()]
    if (timeoutMs !== undefined) ends.push(failWithoutPeer(folder, timeoutMs))
    if (timeoutMs !== undefined && once) ends.push(failOnFullDisk(folder, timeoutMs))
    return Promise.race(ends)
  }
}

/** Rejects when the disk is full and no more bytes arrive for `timeoutMs`; else never settles. */
function failOnFullDisk(folder: ClonedFolder, timeoutMs: number): Promise<never> {
  return new Promise((_, reject) => {
    let bytesMost = 0
    folder.subscribe((event) => {
      // A pass that starts again and again counts from zero each time: only a new maximum is progress.
      if (event.type === 'progress') bytesMost = Math.max(bytesMost, event.bytes)
      if (event.type !== 'error' || event.code !== 'DISK_FULL') return
      let bytesBefore = bytesMost
      setInterval(() => {
        if (bytesMost === bytesBefore) reject(new SyncError('DISK_FULL', event.message))
        bytesBefore = bytesMost
      }, timeoutMs).unref()
    })
  })
}

/** Rejects when there is no peer for `timeoutMs`; else never settles. A full disk, which drops its peers, doesn't count. */
function failWithoutPeer(folder: ClonedFolder, timeoutMs: number): Promise<never> {
  return new Promise((_, reject) => {
    let timer: NodeJS.Timeout | undefined
    let isFull = false
    const restart = () => {
      clearTimeout(timer)
      if (folder.peers > 0) return
      timer = setTimeout(() => {
        if (isFull) return restart()
        const seconds = Math.round(timeoutMs / 1000)
        const message = `No peer was found in ${seconds} s. ${folder.whyNoPeers} Give --timeout for more time`
        reject(new SyncError('NO_PEER', message))
      }, timeoutMs)
    }
    folder.subscribe((event) => {
      if (event.type === 'error') isFull = event.code === 'DISK_FULL'
      if (event.type === 'in-sync') isFull = false
      if (event.type === 'peer') restart()
    })
    restart()
  })
}
