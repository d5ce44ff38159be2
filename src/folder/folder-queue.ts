/** One at a time works on a folder: the passes of its loop, and operations between them. */
export class FolderQueue {
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0
  #held: Promise<void> | undefined

  /** Whether the current pass should end early: an operation waits for its turn, or passes are held. */
  get areWanted(): boolean {
    return this.#waiting > 0 || this.#held !== undefined
  }

  /** Runs `act` after everything that was queued before it. Settles as `act` does. */
  run<T>(act: () => Promise<T>): Promise<T> {
    this.#waiting++
    const turn = this.#last.then(() => {
      this.#waiting--
      return act()
    })
    this.#last = turn.catch(() => {})
    return turn
  }

  /** Runs a pass of the folder's loop, which also waits while passes are held. */
  async pass<T>(act: () => Promise<T>): Promise<T> {
    while (this.#held !== undefined) await this.#held
    return this.run(act)
  }

  /** Holds passes that haven't begun; operations run all the same. @returns a function that lets passes go on */
  holdPasses(): () => void {
    let release = () => {}
    this.#held = new Promise<void>((resolve) => {
      release = resolve
    })
    return () => {
      this.#held = undefined
      release()
    }
  }
}
