/** Lets one after the other work on a folder: the passes of its loop, and what somebody asks for in between. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0

  /** Whether somebody waits for the turn that is being had to end. */
  get areWanted(): boolean {
    return this.#waiting > 0
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
}
