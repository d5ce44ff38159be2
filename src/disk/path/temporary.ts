import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemCode } from '../../errors.ts'

/** Followed by the pid of the process that owns the directory. */
const prefix = 'p2psync-log-'

/** Makes a directory for this process, readable by its user alone, and removes those of processes that were killed. */
export function makeTemporary(): string {
  removeOrphans()
  return mkdtempSync(join(tmpdir(), `${prefix}${process.pid}-`))
}

export function removeTemporary(directory: string): void {
  rmSync(directory, { recursive: true, force: true })
}

function removeOrphans(): void {
  try {
    for (const name of readdirSync(tmpdir())) {
      const pid = Number(new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1])
      if (pid > 0 && !isAlive(pid)) rmSync(join(tmpdir(), name), { recursive: true, force: true })
    }
  } catch {
    // Directories of other users stay.
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return systemCode(error) === 'EPERM'
  }
}
