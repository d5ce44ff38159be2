import { readIgnoreFile } from '../disk/state/ignore-file.ts'
import { messageOf, SyncError } from '../errors.ts'
import { type IgnoreRules, ignoreFileName, parseIgnoreRules } from '../tree/ignore.ts'
import type { Problem } from '../tree/tree.ts'

/** The ignore rules of a folder: those of the last text of the ignore file that could be read. */
export class FolderIgnoreRules {
  readonly #root: string
  readonly #onProblem: (problem: Problem) => void
  #loaded: { readonly text: string; readonly rules: IgnoreRules } | undefined

  /** @param onProblem called when the file can't be read and its last rules stay in force */
  constructor(root: string, onProblem: (problem: Problem) => void) {
    this.#root = root
    this.#onProblem = onProblem
  }

  /** The rules in force, read from the file if they never were. @throws {SyncError} HALTED as `reload` does */
  get current(): IgnoreRules {
    if (this.#loaded === undefined) this.reload()
    return this.#loaded?.rules ?? parseIgnoreRules('')
  }

  /**
   * Reads the file again.
   *
   * @returns whether the rules changed
   * @throws {SyncError} HALTED when the file can't be read and never could be: without its rules the publisher would
   *   publish for ever what they leave out
   */
  reload(): boolean {
    let text: string
    try {
      text = readIgnoreFile(this.#root)
    } catch (error) {
      const message = `Can't be read: ${messageOf(error)}`
      if (this.#loaded === undefined) throw new SyncError('HALTED', `${ignoreFileName} ${message}`, { cause: error })
      this.#onProblem({ path: ignoreFileName, action: 'read', message: `${message}. Its last rules stay` })
      return false
    }
    if (text === this.#loaded?.text) return false
    this.#loaded = { text, rules: parseIgnoreRules(text) }
    return true
  }
}
