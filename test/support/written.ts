import { applyVersion } from '../../src/mirror/apply-version.ts'
import { PendingPaths } from '../../src/mirror/pending-paths.ts'
import { UnrecordedWrites } from '../../src/mirror/unrecorded-writes.ts'
import type { Entry } from '../../src/tree/entry.ts'
import { wholePart } from '../../src/tree/select.ts'
import type { Version } from '../../src/tree/tree.ts'
import type { MirroredFolder } from './mirrored-folder.ts'

/** Publishes a version, and writes it to the folder of the mirror by one full pass. */
export async function publishAndApply(
  mirror: MirroredFolder,
  changes: Readonly<Record<string, string | Entry | undefined>>
): Promise<Version> {
  const version = await mirror.publish(changes)
  const { signal } = new AbortController()
  await applyVersion(
    {
      workspace: { ...mirror.workspace, part: wholePart },
      log: mirror.log,
      version,
      scope: { full: true, complete: undefined },
      pending: new PendingPaths(),
      safeLinks: false,
      retriesMissing: false,
      mayHoldUnrecorded: false
    },
    {
      signal,
      closing: signal,
      readUnrecorded: () => UnrecordedWrites.read(mirror.log, undefined, version, [wholePart], signal),
      onPlanned: () => {},
      onWriting: async () => {},
      onActive: () => {},
      onWork: () => () => {}
    }
  )
  return version
}
