import { setTimeout as sleep } from 'node:timers/promises'

const tickMs = 5

export interface UntilOptions {
  /** What is waited for, for the message of the failure. */
  readonly what: string
  /** How long at most, in milliseconds. */
  readonly ms?: number
}

/**
 * Waits for a condition rather than for a time.
 *
 * @returns the first value that is neither `undefined`, `null` nor `false`
 * @throws when there was none in time
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  { what, ms = 10_000 }: UntilOptions
): Promise<Exclude<T, undefined | null | false>> {
  const endMs = performance.now() + ms
  for (;;) {
    const value = await condition()
    if (value !== undefined && value !== null && value !== false) return value as Exclude<T, undefined | null | false>
    if (performance.now() > endMs) throw new Error(`Waited ${ms} ms in vain for ${what}`)
    await sleep(tickMs)
  }
}
