import { closeSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemCode } from '../../errors.ts'

const name = 'path-index'
const partsPerWrite = 256

/** The path index in a state directory. It can be rebuilt at any time, so read and write errors are ignored. */
export class PathIndexFile {
  readonly #path: string

  /** @param home the state directory */
  constructor(home: string) {
    this.#path = join(home, name)
  }

  /** The whole file; `undefined` if there is none or it can't be read. */
  read(): Uint8Array | undefined {
    try {
      return readFileSync(this.#path)
    } catch (error) {
      if (systemCode(error) === undefined) throw error
      return undefined
    }
  }

  /** Replaces the file atomically, though not durably. Leaves the old one if writing fails. */
  write(parts: readonly Uint8Array[]): void {
    // Two processes may write at the same time: each has its own temporary file.
    const temporary = `${this.#path}.${process.pid}.new`
    try {
      const fd = openSync(temporary, 'w', 0o600)
      try {
        for (let i = 0; i < parts.length; i += partsPerWrite) {
          writeFileSync(fd, Buffer.concat(parts.slice(i, i + partsPerWrite)))
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
