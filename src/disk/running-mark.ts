import { existsSync } from 'node:fs'
import { removeWhole, writeWhole } from './marker.ts'

/**
 * A file that stands while a writer runs. One that is found at the start tells that the last run was
 * cut off, perhaps by a power cut, so that readers may know more of the log than its store does.
 */
export class RunningMark {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  /** Whether the last run has ended in order. */
  get endedCleanly(): boolean {
    return !existsSync(this.#path)
  }

  /** Durable when it returns: it has to be there before anything is appended. */
  set(): void {
    writeWhole(this.#path, `${JSON.stringify({ format: 1, pid: process.pid, since: new Date().toISOString() })}\n`)
  }

  /** To be called only when all that was appended is durable. */
  clear(): void {
    removeWhole(this.#path)
  }
}
