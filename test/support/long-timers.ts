import type { Assert } from 'brittle'

const longMs = 3000
/** The longest delay of Node's timers. */
const neverMs = 2 ** 31 - 1

/**
 * Keeps timers of three seconds and more from firing until the test ends, so that they can't cause the tested effect,
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
