import { readLimits } from '../disk/state/limits-file.ts'
import { messageOf } from '../errors.ts'
import type { Limits } from '../net/status.ts'

export interface LiveLimitsOptions {
  /** Where the file lies. */
  readonly home: string
  /** What was given at the start: it counts until the file says something else than it did then. */
  readonly given: Limits | undefined
  readonly onChange: (limits: Limits) => void
  readonly onNotice: (message: string) => void
}

const lookMs = 1000

/** The bandwidth that a folder may take, as it was given at the start and as it is changed while it runs. */
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
    this.#timer = setInterval(() => this.#look(), lookMs)
    this.#timer.unref()
  }

  current: Limits

  close(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
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
