import type { Assert } from 'brittle'

const longMs = 3000
/** The longest that Node's timers can wait. */
const neverMs = 2 ** 31 - 1

/**
 * Keeps timers of three seconds and more from firing until the test ends: what happens all the same is not their doing,
 * however slow the machine is.
 */
export function withoutLongTimers(t: Assert): void {
  const original = globalThis.setTimeout
  const patched = (act: () => void, ms = 0) => original(act, ms >= longMs ? neverMs : ms)
  globalThis.setTimeout = patched as typeof setTimeout
  t.teardown(() => {
    globalThis.setTimeout = original
  })
}
