import { setTimeout as sleep } from 'node:timers/promises'
import { hangMs } from './hang.ts'

const tickMs = 5
/** An expensive condition is checked less often, so that waiting doesn't slow other processes down. */
const tickMsMax = 500

export interface UntilOptions {
  /** The awaited condition, for the failure's message. */
  readonly what: string
  /** Deadline in milliseconds: only for conditions that may never hold. Otherwise `hangMs`. */
  readonly ms?: number
}

/**
 * Waits for a condition instead of a fixed time.
 *
 * @returns the first value that is neither `undefined`, `null` nor `false`
 * @throws if there was none before the deadline
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  { what, ms = hangMs }: UntilOptions
): Promise<Exclude<T, undefined | null | false>> {
  const endMs = performance.now() + ms
  for (;;) {
    const askedMs = performance.now()
    const value = await condition()
    if (value !== undefined && value !== null && value !== false) return value as Exclude<T, undefined | null | false>
    const nowMs = performance.now()
    if (nowMs > endMs) throw new Error(`Waited ${ms} ms in vain for ${what}`)
    await sleep(Math.min(Math.max(tickMs, 2 * (nowMs - askedMs)), tickMsMax))
  }
}
