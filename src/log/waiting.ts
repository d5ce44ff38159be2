import { setTimeout as sleep } from 'node:timers/promises'

/** Longer than anything takes. */
const everMs = 2 ** 31 - 1

/**
 * Waits for a promise, but no longer than some time, and not beyond the abortion of a signal. Leaves nothing behind.
 *
 * @returns what it came to, or `undefined` when it took longer
 */
export async function waitFor<T>(
  promise: Promise<T>,
  signal: AbortSignal,
  { ms = everMs }: { readonly ms?: number } = {}
): Promise<T | undefined> {
  const done = new AbortController()
  const ends = AbortSignal.any([signal, done.signal])
  try {
    return await Promise.race([promise, sleep(ms, undefined, { signal: ends, ref: false })])
  } finally {
    done.abort()
  }
}
