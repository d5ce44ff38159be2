import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { writeWhole } from './marker.ts'

/** While this file is in the state directory, the folder stays paused, also after a restart. */
const pauseFileName = 'paused'

export function isPaused(home: string): boolean {
  return existsSync(join(home, pauseFileName))
}

/** @throws the system's error */
export function setPaused(home: string, paused: boolean): void {
  if (paused) writeWhole(join(home, pauseFileName), '')
  else rmSync(join(home, pauseFileName), { force: true })
}
