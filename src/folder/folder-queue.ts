/** Lets one after the other work on a folder: the passes of its loop, and what somebody asks for in between. */
export class FolderQueue {
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0
  #held: Promise<void> | undefined

  /** Whether somebody waits for the turn that is being had to end, or no pass is to go on. */
  get areWanted(): boolean {
    return this.#waiting > 0 || this.#held !== undefined
  }

  /** Does something when all who asked before have done theirs. Settles as `act` does. */
  run<T>(act: () => Promise<T>): Promise<T> {
    this.#waiting++
    const turn = this.#last.then(() => {
      this.#waiting--
      return act()
    })
    this.#last = turn.catch(() => {})
    return turn
  }

  /** The same for a pass of the folder's loop, which waits for as long as passes are held. */
  async pass<T>(act: () => Promise<T>): Promise<T> {
    while (this.#held !== undefined) await this.#held
    return this.run(act)
  }

  /** Holds passes that aren't begun yet; what somebody asks for is done all the same. @returns what lets them go on */
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
