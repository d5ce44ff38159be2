import { readAllowFile } from '../disk/state/allow-file.ts'
import { messageOf } from '../errors.ts'
import { parseKey } from '../log/hypercore/store.ts'

export interface AllowListOptions {
  /** Where the file lies. */
  readonly home: string
  /** Public keys that were given besides, as `id` prints them. */
  readonly given: readonly string[] | undefined
  readonly onChange: (machines: ReadonlySet<string>) => void
  readonly onNotice: (message: string) => void
}

const lookMs = 2000

/**
 * The machines that may connect, of the options and of a file in which more can be written at any time. A file that
 * goes away, or can't be read, opens the folder to nobody: the list stays as it was.
 */
export class AllowList {
  readonly #options: AllowListOptions
  readonly #timer: NodeJS.Timeout
  readonly #told = new Set<string>()
  #text = ''
  #machines: ReadonlySet<string> | undefined

  /** @throws {SyncError} BAD_KEY for one that was given and is none */
  constructor(options: AllowListOptions) {
    this.#options = options
    const given = options.given?.map(hexOf)
    this.#machines = given && new Set(given)
    this.#look()
    this.#timer = setInterval(() => this.#look(), lookMs)
    this.#timer.unref()
  }

  /** By public key in hexadecimal; `undefined` where nobody is listed and whoever has the key may connect. */
  get machines(): ReadonlySet<string> | undefined {
    return this.#machines
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const machines = this.#changed()
    if (machines === undefined) return
    this.#machines = machines
    this.#options.onChange(machines)
  }

  /** Who may connect now, or `undefined` where that is as it was. */
  #changed(): ReadonlySet<string> | undefined {
    let lines: readonly string[] | undefined
    try {
      lines = readAllowFile(this.#options.home)
    } catch (error) {
      const until = this.#machines === undefined ? 'Nobody may until it can' : 'It stays as it was'
      this.#tell(`The list of those who may connect can't be read: ${messageOf(error)}. ${until}`)
      return this.#machines === undefined ? new Set() : undefined
    }
    const text = lines?.join('\n') ?? ''
    // A file without a line allows nobody: that is a change where there was no list.
    if (lines === undefined || (text === this.#text && this.#machines !== undefined)) return undefined
    this.#text = text
    return new Set([...(this.#options.given ?? []).map(hexOf), ...lines.flatMap((line) => this.#valid(line))])
  }

  #valid(line: string): readonly string[] {
    try {
      return [hexOf(line)]
    } catch (error) {
      this.#tell(`A line of the list of those who may connect is left out. ${messageOf(error)}`)
      return []
    }
  }

  #tell(message: string): void {
    if (!this.#told.has(message)) this.#options.onNotice(message)
    this.#told.add(message)
  }
}

function hexOf(key: string): string {
  return Buffer.from(parseKey(key)).toString('hex')
}
