import { readLimits } from '../disk/state/limits-file.ts'
import { messageOf } from '../errors.ts'
import type { Limits } from '../net/status.ts'

export interface LiveLimitsOptions {
  /** The folder's state directory, which holds the file. */
  readonly home: string
  /** The limits of the options: they apply until the file changes. */
  readonly given: Limits | undefined
  readonly onChange: (limits: Limits) => void
  readonly onNotice: (message: string) => void
}

/** How often the file is read, in milliseconds. */
const readMs = 1000

/** The bandwidth limits of a folder at work: those of the options, and those of a file that may change at any time. */
export class LiveLimits {
  readonly #options: LiveLimitsOptions
  readonly #timer: NodeJS.Timeout
  #text: string | undefined
  #failure: string | undefined

  constructor(options: LiveLimitsOptions) {
    this.#options = options
    const found = this.#read()
    this.#text = JSON.stringify(found)
    this.current = isGiven(options.given) ? options.given : (found ?? {})
    this.#timer = setInterval(() => this.#reload(), readMs)
    this.#timer.unref()
  }

  /** The limits that apply now. */
  current: Limits

  close(): void {
    clearInterval(this.#timer)
  }

  #reload(): void {
    const found = this.#read()
    const text = JSON.stringify(found)
    if (found === undefined || text === this.#text) return
    this.#text = text
    this.current = found
    this.#options.onChange(found)
  }

  #read(): Limits | undefined {
    try {
      const found = readLimits(this.#options.home)
      this.#failure = undefined
      return found
    } catch (error) {
      const message = messageOf(error)
      if (message !== this.#failure) this.#options.onNotice(message)
      this.#failure = message
      return undefined
    }
  }
}

function isGiven(limits: Limits | undefined): limits is Limits {
  return limits?.up !== undefined || limits?.down !== undefined
}
