import { join } from 'node:path'
import { freeBytes } from '../disk/path/space.ts'
import { diskUsage } from '../disk/path/usage.ts'
import type { FolderActivity, FolderState, Rates } from '../folder/folder-activity.ts'
import type { KeptContent } from '../folder/replaced-files.ts'
import { printKey } from '../log/hypercore/store.ts'
import type { PeerStatus } from '../net/status.ts'
import type { Problem } from '../tree/tree.ts'

/** A connected peer, as it is told to programs. */
export interface PeerRecord extends Rates {
  readonly type: 'peer'
  /** Its public key in this folder, in hexadecimal. */
  readonly peer: string
  /** The public key of its machine, as `id` prints it there. */
  readonly machine: string
  readonly address: string
  readonly transport: 'tcp' | 'udx'
  readonly distance: 'machine' | 'lan' | 'wan'
  readonly rttMs: number
  /** Bytes since it was connected. */
  readonly received: number
  readonly sent: number
}

/** How a folder stands. FORMAT: fields are only ever added. */
export interface StatusRecord {
  readonly type: 'status'
  readonly role: 'writer' | 'reader'
  readonly key: string | undefined
  readonly folder: string
  /** `stopped` where nobody is at work on it. */
  readonly state: FolderState | 'stopped'
  /** The process that is at work on it. */
  readonly pid?: number
  /** What the folder holds, as a version; left out before the first. */
  readonly version?: number
  /** The newest that is known of, here or at a peer. */
  readonly newest?: number
  /** Of what is known of, by bytes or else by files: 100 when all is done. */
  readonly percent: number
  /** Of the version that the folder holds. */
  readonly files: number
  readonly bytes: number
  /** What is still to be fetched or read, as far as it is known. */
  readonly missing: { readonly files: number; readonly bytes: number }
  /** Why it isn't done, for people; left out when it is. */
  readonly reason?: string
  readonly diverged: readonly { readonly path: string; readonly kind: 'changed' | 'deleted' }[]
  readonly conflicts: readonly { readonly path: string; readonly keptAs: string; readonly timeMs: number }[]
  readonly problems: readonly Problem[]
  readonly peers: readonly PeerRecord[]
  /** Bytes on disk. */
  readonly disk: { readonly log: number; readonly state: number; readonly free: number }
  /** Large files that were replaced or removed, and whose contents are kept here for a while; left out where none are. */
  readonly kept?: { readonly files: number; readonly bytes: number }
  /** When the last version was on disk for good, in milliseconds since 1970; left out where it isn't known. */
  readonly durableMs?: number
}

export function peerRecord(peer: PeerStatus, account: FolderActivity): PeerRecord {
  const { key, machine, address, transport, distance, rttMs, received, sent } = peer
  const { receiveRate, sendRate } = account.ratesOf(peer)
  const printed = machine === '' ? '' : printKey(Buffer.from(machine, 'hex'))
  const common = { type: 'peer', peer: key, machine: printed, address, transport, distance } as const
  return { ...common, rttMs: Math.round(rttMs * 10) / 10, received, sent, receiveRate, sendRate }
}

/** What a status is made of, beside what has happened. */
export interface FolderFacts {
  readonly role: 'writer' | 'reader'
  readonly key: string | undefined
  readonly root: string
  readonly home: string
  /** What the folder holds, as a version. */
  readonly holds: number | undefined
  readonly newest: number | undefined
  readonly totals: { readonly files: number; readonly bytes: number } | undefined
  readonly problems: readonly Problem[]
  readonly kept: readonly KeptContent[]
  readonly connections: readonly PeerStatus[]
  readonly whyNoPeers: string
}

/** How a folder at work stands. */
export function folderStatus(account: FolderActivity, facts: FolderFacts): StatusRecord {
  const { role, key, root, home, holds, newest, totals, problems, kept, connections } = facts
  const reason = account.isDone ? undefined : reasonOf(account, facts)
  return {
    type: 'status',
    role,
    key,
    folder: root,
    state: account.state,
    pid: process.pid,
    ...(holds === undefined ? {} : { version: holds }),
    ...(newest === undefined ? {} : { newest }),
    ...workOf(account),
    files: totals?.files ?? 0,
    bytes: totals?.bytes ?? 0,
    ...(reason === undefined ? {} : { reason }),
    diverged: [...account.diverged.values()].map(({ path, kind }) => ({ path, kind })),
    conflicts: [...account.conflicts.values()].map(({ path, keptAs, timeMs }) => ({ path, keptAs, timeMs })),
    problems,
    peers: connections.map((peer) => peerRecord(peer, account)),
    disk: diskOf(home),
    ...(kept.length === 0
      ? {}
      : { kept: { files: kept.length, bytes: kept.reduce((sum, { size }) => sum + size, 0) } }),
    ...(account.durableMs === undefined ? {} : { durableMs: account.durableMs })
  }
}

/** Why not all is done, in a sentence for people. */
function reasonOf({ state, error, progress }: FolderActivity, { role, connections, whyNoPeers }: FolderFacts): string {
  if (state === 'paused') return 'It is paused. p2psync resume has it go on.'
  if (error !== undefined) return error.message
  if (role === 'reader' && connections.length === 0) return `No peers: ${whyNoPeers}`
  if (progress?.phase === 'fetch') return 'It is being fetched.'
  return role === 'writer' ? 'The folder is being looked at.' : 'The log is being fetched.'
}

/** What a folder takes on disk beside its files, and what is left there. */
export function diskOf(home: string): StatusRecord['disk'] {
  return { log: diskUsage(join(home, 'store')), state: diskUsage(join(home, 'state')), free: freeBytes(home) }
}

/** How much of what is to be done is done, and what is left. */
function workOf({ state, progress }: FolderActivity): Pick<StatusRecord, 'percent' | 'missing'> {
  if (state === 'done') return { percent: 100, missing: { files: 0, bytes: 0 } }
  if (progress === undefined || progress.phase === 'scan') return { percent: 0, missing: { files: 0, bytes: 0 } }
  const { files, filesTotal, bytes, bytesTotal } = progress
  const share = bytesTotal > 0 ? bytes / bytesTotal : filesTotal > 0 ? files / filesTotal : 0
  return {
    // All of it isn't done before it is said to be.
    percent: Math.min(99, Math.floor(100 * share)),
    missing: { files: Math.max(0, filesTotal - files), bytes: Math.max(0, bytesTotal - bytes) }
  }
}
