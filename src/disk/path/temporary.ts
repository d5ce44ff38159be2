import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemCode } from '../../errors.ts'

/** Names of directories that last as long as a process, before its pid. */
const prefix = 'p2psync-log-'

/** A new directory of this process's own, readable by its user alone. What processes that were killed have left goes. */
export function makeTemporary(): string {
  sweep()
  return mkdtempSync(join(tmpdir(), `${prefix}${process.pid}-`))
}

export function removeTemporary(directory: string): void {
  rmSync(directory, { recursive: true, force: true })
}

function sweep(): void {
  try {
    for (const name of readdirSync(tmpdir())) {
      const pid = Number(new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1])
      if (pid > 0 && !isAlive(pid)) rmSync(join(tmpdir(), name), { recursive: true, force: true })
    }
  } catch {
    // Those of other users stay.
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
