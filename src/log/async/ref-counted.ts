/** What nobody uses is kept for so long, in milliseconds, with what it has read. */
const idleMs = 2000

interface Closable {
  close(): Promise<unknown>
}

/** The use of something by one of any number of users. */
export interface Use<T> {
  readonly item: T
  /** Ends it. @param isSound `false` where it isn't to be used any further: whoever comes next gets another */
  end(isSound?: boolean): void
}

interface Held<T> {
  readonly key: unknown
  readonly item: T
  users: number
}

/** Something that is made for whoever comes first, and used by all at the same time; the next is likely to want what it has read. */
export class RefCounted<T extends Closable> {
  #held: Held<T> | undefined
  #timer: NodeJS.Timeout | undefined

  /** Uses what there is, if it is what `key` stands for. */
  use(key: unknown, make: () => T): Use<T> {
    clearTimeout(this.#timer)
    if (this.#held !== undefined && this.#held.key !== key) this.#drop()
    this.#held ??= { key, item: make(), users: 0 }
    const held = this.#held
    held.users++
    return {
      item: held.item,
      end: (isSound = true) => {
        held.users--
        if (!isSound && held === this.#held) this.#held = undefined
        if (held.users > 0) return
        if (held !== this.#held) close(held)
        else this.#timer = setTimeout(() => this.#drop(), idleMs).unref()
      }
    }
  }

  /** It goes when nobody uses it any more. */
  #drop(): void {
    const held = this.#held
    this.#held = undefined
    if (held?.users === 0) close(held)
  }
}

function close({ item }: Held<Closable>): void {
  item.close().catch(() => {})
}
