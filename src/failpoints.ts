import { channel } from 'node:diagnostics_channel'

/**
 * The moments between which the order of what reaches a disk matters: a process may be killed, or the
 * power cut, at each of them. Named after what has just been done.
 */
export type FailpointName = (typeof failpointNames)[number]

export const failpointNames = [
  // Opening a folder, either role.
  /** A small file of ours is written beside the one that it replaces. */
  'file-prepared',
  'marker-written',
  // A writer's run.
  'key-claimed',
  /** One of the two cores has its new fork. */
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
  /** What is to be moved has left its path, and has no other yet. */
  'taken-out',
  'moved',
  /** A file's bytes are all there, its mode and time aren't yet. */
  'content-received',
  'file-staged',
  'staged-durable',
  'set-aside',
  /** It is written down what of what is to be replaced will be kept. */
  'kept-noted',
  /** What was replaced lies where it is kept. */
  'kept',
  /** What was kept has gone, its record hasn't yet. */
  'kept-removed',
  /** What is new has changed places with what it replaces. */
  'exchanged',
  'placed',
  'removed',
  'metadata-set',
  'directories-finished',
  /** What was placed, moved and removed would survive a power cut. */
  'folder-durable',
  'baseline-recorded',
  'applied-noted',
  // Forgetting old contents, when that is asked for.
  /** What is needed of packs was stored anew, and a version tells where. */
  'packs-moved',
  'chunks-forgotten',
  /** Some of them. */
  'blocks-cleared',
  'store-compacted'
] as const

/**
 * The name of the `node:diagnostics_channel` on which every step is told as it is reached, as its
 * name, synchronously: whoever subscribes can log it, hold it up, or end the process right there.
 */
export const failpointChannel = 'p2psync:step'

const steps = channel(failpointChannel)

/** Tells that a step was reached. Costs nothing while nobody listens. */
export function reached(step: FailpointName): void {
  if (steps.hasSubscribers) steps.publish(step)
}
