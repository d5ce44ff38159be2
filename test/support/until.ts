import { setTimeout as sleep } from 'node:timers/promises'
import { hangMs } from './hang.ts'

const tickMs = 5
/** A condition that takes long to tell is asked less often: who waits is not to keep others from working. */
const tickMsMax = 500

export interface UntilOptions {
  /** What is waited for, for the message of the failure. */
  readonly what: string
  /** How long at most, in milliseconds: only for what need not come at all. Where it must, `hangMs`. */
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
