import type { Assert } from 'brittle'
import fc from 'fast-check'

/**
 * Asserts that a property holds. An exception in a test would end the whole run, so a counterexample
 * and its seed become the message of a failed assertion instead.
 */
export async function holds<T>(
  t: Assert,
  property: fc.IProperty<T> | fc.IAsyncProperty<T>,
  options: fc.Parameters<T> = {}
): Promise<void> {
  await t.execution(async () => fc.assert(property as fc.IAsyncProperty<T>, options), 'holds for every input tried')
}

/** How many arbitrary inputs to try: `P2PSYNC_FUZZ_RUNS`, or `usual`, which suits a quick run of all tests. */
export function fuzzRuns(usual: number): number {
  return Number(process.env.P2PSYNC_FUZZ_RUNS) || usual
}

/** Fails the enclosing property unless `condition` holds. */
export function must(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message)
}
