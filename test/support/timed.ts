import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { until } from './until.ts'

/** Waits until the file `file` of a mirror holds a text. */
export function arrives(mirror: string, text: string): Promise<unknown> {
  const isThere = () => {
    try {
      return readFileSync(join(mirror, 'file'), 'utf8') === text
    } catch {
      return false
    }
  }
  return until(isThere, { what: `${text} in the mirror` })
}

/** Prints the duration of an action: a figure to read, not to test. */
export async function timed(t: Assert, what: string, act: () => Promise<unknown>): Promise<void> {
  const startMs = performance.now()
  await act()
  t.comment(`${what}: ${Math.round(performance.now() - startMs)} ms`)
}
