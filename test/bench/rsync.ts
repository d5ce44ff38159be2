import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'

/** Whether rsync is installed. */
export const hasRsync = spawnSync('rsync', ['--version']).status === 0

/** Another copy of a folder, which rsync brings up to date over a pipe, sending only differences. */
export class RsyncCopy {
  readonly #source: string
  readonly #copy: string

  constructor(source: string, copy: string) {
    this.#source = source
    this.#copy = copy
  }

  /** @returns seconds; `undefined` without rsync */
  bringUpToDate(): number | undefined {
    if (!hasRsync) return undefined
    const startMs = performance.now()
    const args = ['-a', '--delete', '--no-whole-file', '--exclude=.p2psync', `${this.#source}/`, this.#copy]
    const { status, stderr } = spawnSync('rsync', args, { encoding: 'utf8' })
    if (status !== 0) throw new Error(`rsync: ${stderr}`)
    return (performance.now() - startMs) / 1000
  }

  remove(): void {
    rmSync(this.#copy, { recursive: true, force: true })
  }
}
