import { setPaused } from '../disk/state/pause-file.ts'
import type { KnownFolder } from './known-folder.ts'

/** Has a folder that nobody is at work on rest when it is started again, or not any more. @throws the system's error */
export function pauseClosedFolder({ home }: KnownFolder, paused: boolean): void {
  setPaused(home, paused)
}
