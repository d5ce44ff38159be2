import type { FolderQueue } from './folder-queue.ts'
import type { Workspace } from './workspace.ts'

/** A publisher or a mirror, as operations on its folder see it. */
export interface Loop {
  /** The loop's passes and the operations take turns. */
  readonly queue: FolderQueue
  /** Call it in a turn. */
  workspace(): Promise<Workspace>
}
