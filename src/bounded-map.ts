/** A map of at most `max` keys: setting one more evicts the key that was set first. */
export class BoundedMap<K, V> extends Map<K, V> {
  readonly #max: number
  readonly #onEvict: ((value: V) => void) | undefined

  /** @param onEvict called with each value that is evicted, not with those that the caller deletes */
  constructor(max: number, onEvict?: (value: V) => void) {
    super()
    this.#max = max
    this.#onEvict = onEvict
  }

  /** Sets a key; one that is there already keeps its place in the order of eviction. */
  override set(key: K, value: V): this {
    super.set(key, value)
    if (this.size > this.#max) this.#evict()
    return this
  }

  /** Sets a key as the newest, whether or not it is there already. */
  renew(key: K, value: V): this {
    this.delete(key)
    return this.set(key, value)
  }

  #evict(): void {
    for (const [oldest, value] of this) {
      this.delete(oldest)
      this.#onEvict?.(value)
      return
    }
  }
}
