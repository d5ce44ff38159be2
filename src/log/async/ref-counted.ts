/** How long an unused item is kept open, with all that it has cached. */
const idleMs = 2000

interface Closable {
  close(): Promise<unknown>
}

/** One user's hold on an item. */
export interface Use<T> {
  readonly item: T
  /** Ends the use. @param isSound `false` if the item is broken: the next user gets another */
  end(isSound?: boolean): void
}

interface Held<T> {
  readonly key: unknown
  readonly item: T
  users: number
}

/**
 * An item that the first user creates and all users share. It outlives the last of them for a while, as the next is
 * likely to want what it has cached.
 */
export class RefCounted<T extends Closable> {
  #held: Held<T> | undefined
  #timer: NodeJS.Timeout | undefined

  /** Uses the present item if it was made for `key`, else a new one. */
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

  /** Gives the item to no further user, and closes it once nobody uses it. */
  #drop(): void {
    const held = this.#held
    this.#held = undefined
    if (held?.users === 0) close(held)
  }
}

function close({ item }: Held<Closable>): void {
  item.close().catch(() => {})
}
