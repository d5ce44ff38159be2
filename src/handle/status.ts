import { join } from 'node:path'
import { freeBytes } from '../disk/path/space.ts'
import { diskUsage } from '../disk/path/usage.ts'
import type { FolderActivity, FolderState, Rates } from '../folder/folder-activity.ts'
import type { KeptContent } from '../folder/replaced-files.ts'
import { printKey } from '../log/hypercore/store.ts'
import type { PeerStatus } from '../net/status.ts'
import type { Problem } from '../tree/tree.ts'

/** A connected peer, as programs receive it. FORMAT: fields are only ever added. */
export interface PeerRecord extends Rates {
  readonly type: 'peer'
  /** Its public key in this folder, in hexadecimal. */
  readonly peer: string
  /** The public key of its machine, as `p2psync id` prints it there. */
  readonly machine: string
  readonly address: string
  readonly transport: 'tcp' | 'udx'
  readonly distance: 'machine' | 'lan' | 'wan'
  readonly rttMs: number
  /** Bytes since it was connected. */
  readonly received: number
  readonly sent: number
}

/** The state of a folder. FORMAT: fields are only ever added. */
export interface StatusRecord {
  readonly type: 'status'
  readonly role: 'writer' | 'reader'
  readonly key: string | undefined
  readonly folder: string
  /** `stopped` when no process has the folder open. */
  readonly state: FolderState | 'stopped'
  /** The process that has the folder open. */
  readonly pid?: number
  /** The version that the folder holds; left out before the first. */
  readonly version?: number
  /** The newest version known, here or at a peer. */
  readonly newest?: number
  /** Progress by bytes, or by files when there are no bytes: 100 when everything known is done. */
  readonly percent: number
  /** Of the version that the folder holds. */
  readonly files: number
  readonly bytes: number
  /** Still to be fetched or read, as far as it is known. */
  readonly missing: { readonly files: number; readonly bytes: number }
  /** Why it isn't done, in a sentence for people; left out when it is. */
  readonly reason?: string
  readonly diverged: readonly { readonly path: string; readonly kind: 'changed' | 'deleted' }[]
  readonly conflicts: readonly { readonly path: string; readonly keptAs: string; readonly timeMs: number }[]
  readonly problems: readonly Problem[]
  readonly peers: readonly PeerRecord[]
  /** Bytes on disk. */
  readonly disk: { readonly log: number; readonly state: number; readonly free: number }
  /** Replaced or removed large files whose contents are kept for a while; left out when there are none. */
  readonly kept?: { readonly files: number; readonly bytes: number }
  /** When the latest version became durable, in milliseconds since 1970; left out when it isn't known. */
  readonly durableMs?: number
}

export function peerRecord(peer: PeerStatus, activity: FolderActivity): PeerRecord {
  const { key, machine, address, transport, distance, rttMs, received, sent } = peer
  const { receiveRate, sendRate } = activity.ratesOf(peer)
  const printed = machine === '' ? '' : printKey(Buffer.from(machine, 'hex'))
  const common = { type: 'peer', peer: key, machine: printed, address, transport, distance } as const
  return { ...common, rttMs: Math.round(rttMs * 10) / 10, received, sent, receiveRate, sendRate }
}

/** The facts of a status that events don't tell. */
export interface FolderFacts {
  readonly role: 'writer' | 'reader'
  readonly key: string | undefined
  readonly root: string
  readonly home: string
  /** The version that the folder holds. */
  readonly holds: number | undefined
  readonly newest: number | undefined
  readonly totals: { readonly files: number; readonly bytes: number } | undefined
  readonly problems: readonly Problem[]
  readonly kept: readonly KeptContent[]
  readonly connections: readonly PeerStatus[]
  readonly whyNoPeers: string
}

/** The status of a folder at work. */
export function folderStatus(activity: FolderActivity, facts: FolderFacts): StatusRecord {
  const { role, key, root, home, holds, newest, totals, problems, kept, connections } = facts
  const reason = activity.isDone ? undefined : reasonOf(activity, facts)
  return {
    type: 'status',
    role,
    key,
    folder: root,
    state: activity.state,
    pid: process.pid,
    ...(holds === undefined ? {} : { version: holds }),
    ...(newest === undefined ? {} : { newest }),
    ...progressOf(activity),
    files: totals?.files ?? 0,
    bytes: totals?.bytes ?? 0,
    ...(reason === undefined ? {} : { reason }),
    diverged: [...activity.diverged.values()].map(({ path, kind }) => ({ path, kind })),
    conflicts: [...activity.conflicts.values()].map(({ path, keptAs, timeMs }) => ({ path, keptAs, timeMs })),
    problems,
    peers: connections.map((peer) => peerRecord(peer, activity)),
    disk: diskOf(home),
    ...(kept.length === 0
      ? {}
      : { kept: { files: kept.length, bytes: kept.reduce((sum, { size }) => sum + size, 0) } }),
    ...(activity.durableMs === undefined ? {} : { durableMs: activity.durableMs })
  }
}

/** Why the folder isn't done, in a sentence for people. */
function reasonOf({ state, error, progress }: FolderActivity, { role, connections, whyNoPeers }: FolderFacts): string {
  if (state === 'paused') return 'Paused. `p2psync resume` continues it.'
  if (error !== undefined) return error.message
  if (role === 'reader' && connections.length === 0) return `No peers: ${whyNoPeers}`
  if (progress?.phase === 'fetch') return 'It is fetching files.'
  return role === 'writer' ? 'It is scanning the folder.' : 'It is fetching the log.'
}

/** Bytes on disk of a folder's log and state, and the free bytes there. */
export function diskOf(home: string): StatusRecord['disk'] {
  return { log: diskUsage(join(home, 'store')), state: diskUsage(join(home, 'state')), free: freeBytes(home) }
}

/** The progress of the current work, and what is missing. */
function progressOf({ state, progress }: FolderActivity): Pick<StatusRecord, 'percent' | 'missing'> {
  if (state === 'done') return { percent: 100, missing: { files: 0, bytes: 0 } }
  if (progress === undefined || progress.phase === 'scan') return { percent: 0, missing: { files: 0, bytes: 0 } }
  const { files, filesTotal, bytes, bytesTotal } = progress
  const share = bytesTotal > 0 ? bytes / bytesTotal : filesTotal > 0 ? files / filesTotal : 0
  return {
    // 100 is only for a folder that is done.
    percent: Math.min(99, Math.floor(100 * share)),
    missing: { files: Math.max(0, filesTotal - files), bytes: Math.max(0, bytesTotal - bytes) }
  }
}
