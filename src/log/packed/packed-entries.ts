import type Hyperbee from 'hyperbee'
import type Hypercore from 'hypercore'
import { SyncError } from '../../errors.ts'
import type { SnapshotRow } from '../../format/snapshot-codec.ts'
import type { Version } from '../../tree/tree.ts'
import { changesOf, headerLength, headOf } from '../bee/entries.ts'
import { changesIn, deltasOf, stretchesOf } from './deltas.ts'
import { readPacked, readSnapshot, snapshotOf, UnfitSnapshot, withChanges } from './snapshot.ts'

export interface PackedEntriesParts {
  readonly entries: Hypercore
  readonly bee: Hyperbee
  readonly content: () => Promise<{ readonly core: Hypercore }>
}

/**
 * All entries of a version, by its snapshot and the changes since: a reader that cloned a large folder has these long
 * before the tree. `undefined` if the tree is here, or these aren't.
 */
export async function packedEntries(
  { entries, bee, content }: PackedEntriesParts,
  version: Version
): Promise<AsyncGenerator<SnapshotRow> | undefined> {
  if (await entries.has(headerLength, version.length)) return undefined
  if (!(await entries.has(version.length - 1))) return undefined
  const head = await headOf(bee, version)
  const snapshot = snapshotOf(head, version)
  if (snapshot === undefined) return undefined
  const opened = await content().catch(() => undefined)
  if (opened === undefined) return undefined
  const { core } = opened
  const stretches = stretchesOf(deltasOf(head, version), snapshot.length, version.length)
  const areHere = await Promise.all([
    core.has(snapshot.block, snapshot.block + snapshot.blocks),
    ...stretches.map(({ since, length, delta }) =>
      delta === undefined ? entries.has(since, length) : core.has(delta.block, delta.block + delta.blocks)
    )
  ])
  if (areHere.includes(false)) return undefined
  const at = (length: number) => ({ fork: version.fork, length })
  const changes = stretches.map(({ since, length, delta }) =>
    delta === undefined ? changesOf(bee, at(since), at(length), () => {}) : readPacked(core, delta)
  )
  return asNotHeld(withChanges(readSnapshot(core, snapshot), changesIn(changes)))
}

async function* asNotHeld(rows: AsyncGenerator<SnapshotRow>): AsyncGenerator<SnapshotRow> {
  try {
    yield* rows
  } catch (error) {
    if (!(error instanceof UnfitSnapshot)) throw error
    throw new SyncError('NOT_HELD', `Not all of the log is here yet: ${error.message}`, { cause: error })
  }
}
