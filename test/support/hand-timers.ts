import type { Timers } from '../../src/attended-clock.ts'

interface Timer {
  dueMs: number
  readonly everyMs: number | undefined
  readonly act: () => void
}

/** Timers of a simulated process that the test runs and suspends. */
export class HandTimers implements Timers {
  #nowMs = 0
  #timers: Timer[] = []
  #afterInput: (() => void)[] = []
  /** Inputs from outside with their times; a suspended process reads them later. */
  #inputs: { readonly atMs: number; readonly act: () => void }[] = []

  now(): number {
    return this.#nowMs
  }

  after(ms: number, act: () => void): () => void {
    return this.#add(ms, undefined, act)
  }

  every(ms: number, act: () => void): void {
    this.#add(ms, ms, act)
  }

  afterInput(act: () => void): void {
    this.#afterInput.push(act)
  }

  /** Schedules an input in `ms` milliseconds. */
  input(ms: number, act: () => void): void {
    this.#inputs.push({ atMs: this.#nowMs + ms, act })
  }

  /** Runs the process for `ms` milliseconds, without delays. */
  run(ms: number): void {
    const endMs = this.#nowMs + ms
    for (;;) {
      const next = Math.min(...[...this.#timers.map(({ dueMs }) => dueMs), ...this.#inputs.map(({ atMs }) => atMs)])
      if (next > endMs) break
      this.#nowMs = Math.max(this.#nowMs, next)
      this.#turn()
    }
    this.#nowMs = endMs
    this.#turn()
  }

  /** Suspends the process for `ms` milliseconds. */
  stop(ms: number): void {
    this.#nowMs += ms
  }

  #add(ms: number, everyMs: number | undefined, act: () => void): () => void {
    const timer = { dueMs: this.#nowMs + ms, everyMs, act }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  /** One turn of Node's event loop: the timers, then inputs, then callbacks that wait for inputs. */
  #turn(): void {
    for (const timer of this.#timers.filter(({ dueMs }) => dueMs <= this.#nowMs)) {
      if (!this.#timers.includes(timer)) continue
      if (timer.everyMs === undefined) this.#timers = this.#timers.filter((other) => other !== timer)
      else timer.dueMs = this.#nowMs + timer.everyMs
      timer.act()
    }
    const inputs = this.#inputs.filter(({ atMs }) => atMs <= this.#nowMs)
    this.#inputs = this.#inputs.filter(({ atMs }) => atMs > this.#nowMs)
    for (const { act } of inputs) act()
    for (const act of this.#afterInput.splice(0)) act()
  }
}
