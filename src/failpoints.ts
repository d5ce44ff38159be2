import { channel } from 'node:diagnostics_channel'

/**
 * The steps whose order on the disk matters: the process may be killed, or the power fail, after each of them. A
 * step is named after the action that it completes.
 */
export type FailpointName = (typeof failpointNames)[number]

export const failpointNames = [
  // Opening a folder, either role.
  /** A small state file is written, but hasn't replaced the old one. */
  'file-prepared',
  'marker-written',
  // A writer's run.
  'key-claimed',
  /** One of the two cores has its new fork, the other may not have it. */
  'core-forked',
  'fork-durable',
  'run-noted',
  'state-reconciled',
  'log-flushed',
  // Publishing.
  'scanned',
  'chunk-read',
  'blocks-appended',
  'version-ready',
  'version-made',
  'version-noted',
  // Applying.
  'staging-emptied',
  'entries-fetched',
  'target-made',
  'planned',
  'settled',
  'directory-made',
  /** A file to be moved has left its old path, and has no new one yet. */
  'taken-out',
  'moved',
  /** A staged file has all its bytes, but not its mode and time. */
  'content-received',
  'file-staged',
  'staged-durable',
  'set-aside',
  /** The state names the replaced contents that will be kept. */
  'kept-noted',
  /** The replaced contents are in their place. */
  'kept',
  /** Kept contents are removed, but not their record. */
  'kept-removed',
  /** A new file has swapped names with the one that it replaces. */
  'exchanged',
  'placed',
  'removed',
  'metadata-set',
  'directories-finished',
  /** All placements, moves and removals would survive a power failure. */
  'folder-durable',
  'baseline-recorded',
  'applied-noted',
  // Collecting garbage.
  /** The live contents of packs are stored again, and a version names their new places. */
  'packs-moved',
  'chunks-forgotten',
  /** Some of the blocks are cleared. */
  'blocks-cleared',
  'store-compacted'
] as const

/**
 * The `node:diagnostics_channel` that gets the name of every step, synchronously: a subscriber can log the step, block
 * the thread, or end the process right there.
 */
export const failpointChannel = 'p2psync:step'

const steps = channel(failpointChannel)

/** Publishes a step. Costs nothing without subscribers. */
export function reached(step: FailpointName): void {
  if (steps.hasSubscribers) steps.publish(step)
}
