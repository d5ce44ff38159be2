import { closeSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemCode } from '../../errors.ts'

const name = 'path-index'
const partsAtOnce = 256

/** A file in a state directory that can be made again at any time: what is wrong with it doesn't matter to anybody. */
export class PathIndexFile {
  readonly #path: string

  /** @param home the state directory */
  constructor(home: string) {
    this.#path = join(home, name)
  }

  /** All of it; `undefined` when there is none that can be read. */
  read(): Uint8Array | undefined {
    try {
      return readFileSync(this.#path)
    } catch (error) {
      if (systemCode(error) === undefined) throw error
      return undefined
    }
  }

  /** Replaces it at once, though not durably; leaves it where it can't be written. */
  write(parts: readonly Uint8Array[]): void {
    // Two may write at the same time, each its own.
    const temporary = `${this.#path}.${process.pid}.new`
    try {
      const fd = openSync(temporary, 'w', 0o600)
      try {
        for (let i = 0; i < parts.length; i += partsAtOnce) {
          writeFileSync(fd, Buffer.concat(parts.slice(i, i + partsAtOnce)))
        }
      } finally {
        closeSync(fd)
      }
      renameSync(temporary, this.#path)
    } catch (error) {
      if (systemCode(error) === undefined) throw error
      rmSync(temporary, { force: true })
    }
  }
}
