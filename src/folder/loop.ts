import type { Folder } from './folder.ts'
import type { FolderQueue } from './folder-queue.ts'
import type { Workspace } from './workspace.ts'

/** A publisher or a mirror, for what else works on its folder. */
export interface Loop {
  readonly queue: FolderQueue
  /** To be asked for in a turn. */
  workspace(): Promise<Workspace>
}

/** What lasts as long as a folder is at work. */
export interface Attachment {
  close(): Promise<void>
}

export type Attach = (folder: Folder) => Promise<Attachment>
