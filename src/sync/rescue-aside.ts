import { type Bytes, rescue } from '../disk/keep.ts'
import type { LiveBaseline } from './baseline.ts'
import type { Monitor } from './monitor.ts'
import { naming } from './overwrite.ts'

/**
 * What a run that was cut off has taken out of the folder is kept where it isn't what the baseline says.
 *
 * @param aside the paths that `Staging.open` has left
 */
export async function rescueAside(
  root: string,
  aside: readonly string[],
  baseline: LiveBaseline,
  monitor: Monitor
): Promise<void> {
  const targets = new Set<string>()
  if (aside.length > 0) {
    for (const [, { entry }] of baseline.records) if (entry.type === 'symlink') targets.add(entry.target)
  }
  const isKnown = (bytes: Bytes) =>
    bytes.type === 'symlink' ? targets.has(bytes.target) : baseline.holderOf(bytes.hash) !== undefined
  for (const [path, keptAs] of await rescue(root, aside, isKnown, naming)) {
    monitor.emit({ type: 'conflict', path, keptAs })
  }
}
