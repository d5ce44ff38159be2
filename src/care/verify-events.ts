import type { CoreName } from '../log/check/check-core.ts'
import type { TreePath } from '../tree/path.ts'

/** How much `verify` reads, and whether it repairs what it finds. */
export interface VerifyOptions {
  /** The share to read of the files, by bytes, and of the store's blocks: over 0, up to 1. 1 when left out. */
  readonly sample?: number
  /** Whether to repair damage. */
  readonly repair?: boolean
  /** How long to wait for peers while nothing comes, in milliseconds. 60 seconds when left out. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

/** A file of the folder, a block of the log, or one of the two databases as a whole. */
export type DamagedThing =
  | { readonly what: 'file'; readonly path: string }
  | { readonly what: 'block'; readonly core: CoreName; readonly block: number }
  | { readonly what: 'store' }
  | { readonly what: 'state' }

/** An event of a verification. FORMAT: types only ever gain fields. */
export type VerifyEvent =
  | ({ readonly type: 'damaged'; readonly message: string } & DamagedThing)
  /** It is as signed again. `keptAs` is the conflict copy of a file that a user may have changed. */
  | ({ readonly type: 'repaired'; readonly keptAs?: string } & DamagedThing)
  /** The repair failed. */
  | ({ readonly type: 'unrepaired'; readonly message: string } & DamagedThing)
  /** A user changed or removed the path here; no damage. */
  | { readonly type: 'diverged'; readonly path: string }
  /** The path couldn't be checked. */
  | { readonly type: 'unclear'; readonly path: string; readonly message: string }
  | { readonly type: 'verifying'; readonly part: 'store' | 'files'; readonly done: number; readonly total: number }
  | {
      readonly type: 'verified'
      /** Files that were read, and their bytes; `Total` counts all of them. */
      readonly files: number
      readonly bytes: number
      readonly filesTotal: number
      readonly bytesTotal: number
      /** Blocks of the store that were read, the number of all, and the bytes read. */
      readonly blocks: number
      readonly blocksTotal: number
      readonly blockBytes: number
      readonly damaged: number
      readonly repaired: number
      /** Damage that is not repaired. */
      readonly left: number
      readonly diverged: number
      readonly unclear: number
      /** The requested share. */
      readonly sample: number
    }

export interface DamagedFile {
  readonly path: TreePath
  readonly worthless: string | undefined
}

export interface DamagedBlock {
  readonly core: CoreName
  readonly block: number
}

/** Collects the damage that a verification finds, and counts its events. */
export class Findings {
  readonly files: DamagedFile[] = []
  readonly blocks: DamagedBlock[] = []
  /** Messages about the store as a whole. */
  readonly store: string[] = []
  /** Messages about the state. */
  readonly state: string[] = []
  readonly counts = {
    files: 0,
    bytes: 0,
    filesTotal: 0,
    bytesTotal: 0,
    blocks: 0,
    blocksTotal: 0,
    blockBytes: 0,
    damaged: 0,
    repaired: 0,
    diverged: 0,
    unclear: 0
  }

  /** Counts an event. @returns the event */
  take(event: VerifyEvent): VerifyEvent {
    const { counts } = this
    if (event.type === 'damaged') counts.damaged++
    else if (event.type === 'repaired') counts.repaired++
    else if (event.type === 'unclear') counts.unclear++
    else if (event.type === 'diverged') counts.diverged++
    return event
  }

  /** The last event, with all counts. */
  end(sample: number): VerifyEvent {
    const { damaged, repaired } = this.counts
    return { type: 'verified', ...this.counts, left: damaged - repaired, sample }
  }
}
