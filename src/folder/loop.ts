import type { Folder } from './folder.ts'
import type { Turns } from './folder-queue.ts'
import type { Workspace } from './workspace.ts'

/** A publisher or a mirror, for what else works on its folder. */
export interface Loop {
  readonly turns: Turns
  /** To be asked for in a turn. */
  workspace(): Promise<Workspace>
}

/** What lasts as long as a folder is at work. */
export interface Companion {
  close(): Promise<void>
}

export type Accompany = (folder: Folder) => Promise<Companion>
