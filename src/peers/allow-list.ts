import { readAllowFile } from '../disk/state/allow-file.ts'
import { messageOf } from '../errors.ts'
import { parseKey } from '../log/hypercore/store.ts'

export interface AllowListOptions {
  /** The folder's state directory, which holds the file. */
  readonly home: string
  /** Public keys that are allowed besides those in the file, as `id` prints them. */
  readonly given: readonly string[] | undefined
  readonly onChange: (machines: ReadonlySet<string>) => void
  readonly onNotice: (message: string) => void
}

/** How often the file is read, in milliseconds. */
const readMs = 2000

/**
 * The machines that may connect, from the options and from a file that may change at any time. A file that is removed or
 * becomes unreadable lets nobody else in: the list stays as it was.
 */
export class AllowList {
  readonly #options: AllowListOptions
  readonly #timer: NodeJS.Timeout
  readonly #noticed = new Set<string>()
  #text = ''
  #machines: ReadonlySet<string> | undefined

  /** @throws {SyncError} BAD_KEY for a key of the options that is none */
  constructor(options: AllowListOptions) {
    this.#options = options
    const given = options.given?.map(hexOf)
    this.#machines = given && new Set(given)
    this.#reload()
    this.#timer = setInterval(() => this.#reload(), readMs)
    this.#timer.unref()
  }

  /** Public keys in hexadecimal; `undefined` without a list, when whoever has the folder's key may connect. */
  get machines(): ReadonlySet<string> | undefined {
    return this.#machines
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #reload(): void {
    const machines = this.#readChanged()
    if (machines === undefined) return
    this.#machines = machines
    this.#options.onChange(machines)
  }

  /** Reads the file. @returns who may connect now; `undefined` if that hasn't changed */
  #readChanged(): ReadonlySet<string> | undefined {
    let lines: readonly string[] | undefined
    try {
      lines = readAllowFile(this.#options.home)
    } catch (error) {
      const until = this.#machines === undefined ? 'Nobody may until it can' : 'It stays as it was'
      this.#noticeOnce(`The list of those who may connect can't be read: ${messageOf(error)}. ${until}`)
      return this.#machines === undefined ? new Set() : undefined
    }
    const text = lines?.join('\n') ?? ''
    // A file without lines allows nobody, which is a change if there was no list.
    if (lines === undefined || (text === this.#text && this.#machines !== undefined)) return undefined
    this.#text = text
    return new Set([...(this.#options.given ?? []).map(hexOf), ...lines.flatMap((line) => this.#valid(line))])
  }

  #valid(line: string): readonly string[] {
    try {
      return [hexOf(line)]
    } catch (error) {
      this.#noticeOnce(`A line of the list of those who may connect is left out. ${messageOf(error)}`)
      return []
    }
  }

  #noticeOnce(message: string): void {
    if (!this.#noticed.has(message)) this.#options.onNotice(message)
    this.#noticed.add(message)
  }
}

function hexOf(key: string): string {
  return Buffer.from(parseKey(key)).toString('hex')
}
