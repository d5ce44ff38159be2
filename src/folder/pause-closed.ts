import { setPaused } from '../disk/state/pause-file.ts'
import type { KnownFolder } from './known-folder.ts'

/** Pauses or resumes a folder that no process has open, for when it is opened again. @throws the system's error */
export function pauseClosedFolder({ home }: KnownFolder, paused: boolean): void {
  setPaused(home, paused)
}
