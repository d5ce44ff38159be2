/** What nobody needs is kept for so long, in milliseconds, with what it has read. */
const idleMs = 2000

interface Closable {
  close(): Promise<unknown>
}

/** Keeps the last of something that was used: whoever comes next is likely to want what it has read. */
export class Idle<T extends Closable> {
  #kept: { readonly key: string; readonly item: T } | undefined
  #timer: NodeJS.Timeout | undefined

  /** Takes what is kept, if it is what `key` stands for; it is whoever's that takes it. */
  take(key: string): T | undefined {
    if (this.#kept?.key !== key) return undefined
    clearTimeout(this.#timer)
    const { item } = this.#kept
    this.#kept = undefined
    return item
  }

  /** Keeps something, for a while, in the place of what was kept. */
  keep(key: string, item: T): void {
    this.drop()
    this.#kept = { key, item }
    this.#timer = setTimeout(() => this.drop(), idleMs).unref()
  }

  drop(): void {
    clearTimeout(this.#timer)
    const item = this.#kept?.item
    this.#kept = undefined
    item?.close().catch(() => {})
  }
}
