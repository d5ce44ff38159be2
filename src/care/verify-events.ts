import type { CoreName } from '../log/check/check-core.ts'
import type { TreePath } from '../tree/path.ts'

/** How much `verify` reads, and whether it repairs what it finds. */
export interface VerifyOptions {
  /** The share of the files, by their bytes, and of the store's blocks that is read, over 0 to 1. All when left out. */
  readonly sample?: number
  /** Mends what is found damaged. */
  readonly repair?: boolean
  /** How long to wait for a peer that has what is to be mended, while nothing comes. 60 seconds when left out. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

/** What is damaged: a file of the folder, a block of the log, or one of the two databases as a whole. */
export type DamagedThing =
  | { readonly what: 'file'; readonly path: string }
  | { readonly what: 'block'; readonly core: CoreName; readonly block: number }
  | { readonly what: 'store' }
  | { readonly what: 'state' }

/** What a verification tells. FORMAT: the fields of each type only ever grow. */
export type VerifyEvent =
  | ({ readonly type: 'damaged'; readonly message: string } & DamagedThing)
  /** It is as it was signed again; what stood at a path is kept as `keptAs` where it may have been somebody's change. */
  | ({ readonly type: 'repaired'; readonly keptAs?: string } & DamagedThing)
  /** It is damaged still. */
  | ({ readonly type: 'unrepaired'; readonly message: string } & DamagedThing)
  /** Somebody changed or removed it here; no damage. */
  | { readonly type: 'diverged'; readonly path: string }
  /** Nothing can be said of it. */
  | { readonly type: 'unclear'; readonly path: string; readonly message: string }
  | { readonly type: 'verifying'; readonly part: 'store' | 'files'; readonly done: number; readonly total: number }
  | {
      readonly type: 'verified'
      /** Files and bytes of them that were read, of how many. */
      readonly files: number
      readonly bytes: number
      readonly filesTotal: number
      readonly bytesTotal: number
      /** Blocks of the store that were read, of how many, and their bytes. */
      readonly blocks: number
      readonly blocksTotal: number
      readonly blockBytes: number
      readonly damaged: number
      readonly repaired: number
      /** What is damaged still. */
      readonly left: number
      readonly diverged: number
      readonly unclear: number
      /** The share that was asked for. */
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

/** What was found, and what came of it. */
export class Findings {
  readonly files: DamagedFile[] = []
  readonly blocks: DamagedBlock[] = []
  /** What was said of the store as a whole. */
  readonly store: string[] = []
  /** The same of the state. */
  readonly state: string[] = []
  readonly counts = {
    ...{ files: 0, bytes: 0, filesTotal: 0, bytesTotal: 0, blocks: 0, blocksTotal: 0, blockBytes: 0 },
    ...{ damaged: 0, repaired: 0, diverged: 0, unclear: 0 }
  }

  /** Counts an event on its way. */
  take(event: VerifyEvent): VerifyEvent {
    const { counts } = this
    if (event.type === 'damaged') counts.damaged++
    else if (event.type === 'repaired') counts.repaired++
    else if (event.type === 'unclear') counts.unclear++
    else if (event.type === 'diverged') counts.diverged++
    return event
  }

  end(sample: number): VerifyEvent {
    const { damaged, repaired } = this.counts
    return { type: 'verified', ...this.counts, left: damaged - repaired, sample }
  }
}
