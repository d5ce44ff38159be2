/** A map of at most `max` keys: a key beyond that evicts the one that was set first. */
export class BoundedMap<K, V> extends Map<K, V> {
  readonly #max: number

  constructor(max: number) {
    super()
    this.#max = max
  }

  /** Sets a key; one that is there already keeps its place in the order of eviction. */
  override set(key: K, value: V): this {
    super.set(key, value)
    if (this.size > this.#max) {
      for (const oldest of this.keys()) {
        this.delete(oldest)
        break
      }
    }
    return this
  }

  /** Sets a key as the newest: it is evicted last. */
  renew(key: K, value: V): this {
    this.delete(key)
    return this.set(key, value)
  }
}
