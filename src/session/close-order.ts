/**
 * What is open and has to be closed, by stages. The stages close in their own order, whatever was opened first, and each
 * of them even if one before it fails.
 */
export class CloseOrder<Stage extends string> {
  readonly #stages: readonly Stage[]
  readonly #closers = new Map<Stage, () => Promise<void> | void>()
  #closing: Promise<void> | undefined

  /** @param stages in the order in which they close */
  constructor(stages: readonly Stage[]) {
    this.#stages = stages
  }

  /** @returns `opened`, which `close` closes in its stage */
  add<T>(stage: Stage, opened: T, close: (opened: T) => Promise<void> | void): T {
    this.#closers.set(stage, () => close(opened))
    return opened
  }

  /** Closes all that was added, once. @throws the first failure, after the last stage */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const failures: unknown[] = []
    for (const stage of this.#stages) {
      try {
        await this.#closers.get(stage)?.()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
}
