/**
 * Which tests run when. Paths are relative to `test/` and without `.test.ts`; a directory stands for all that it holds.
 *
 * - `unit`: they start no p2psync, and need neither hosts nor disks of their own. Half a minute.
 * - `default`: the unit tests, and the end-to-end tests. Five minutes.
 * - `heavy`: kills at every step, a month of versions, swarms, sieges, odd disks, large trees, and whatever else runs long.
 *
 * Times are of an idle machine with two cores.
 */
export const tiers = ['unit', 'default', 'heavy'] as const
export type Tier = (typeof tiers)[number]

/** They start p2psync, hosts or disks, or wait for long: each file gets a process. All others are unit tests. */
const endToEnd: readonly string[] = [
  'cli',
  'simulation',
  'support',
  'control',
  'disk/identity',
  'disk/race',
  'log/deltas',
  'log/path-index',
  'log/relocations',
  'log/snapshot',
  'net/held-up',
  'net/lan',
  'net/network',
  'net/same-machine',
  'net/throttle',
  'sync/allow-list',
  'sync/check'
]

const heavy: readonly string[] = [
  'cli/attack',
  'cli/damage',
  'cli/dht',
  'cli/disk-full',
  'cli/gc-at-work',
  'cli/hostile-peer',
  'cli/keep-replaced-kills',
  'cli/many-files',
  'cli/nat',
  'cli/normalising-file-systems',
  'cli/odd-file-systems',
  'cli/pinned',
  'cli/repack',
  'cli/restart-kills',
  'cli/restore-again',
  'cli/restored-store',
  'cli/snapshot',
  'cli/swarm',
  'cli/vanished-disk',
  'cli/verify-rot',
  'cli/watchers',
  'simulation/kills',
  'simulation/large-changes',
  'simulation/month'
]

/** Run one after the other, when nothing else runs: which way two peers take depends on how soon they hear of each other. */
const quiet: readonly string[] = ['cli/nat', 'cli/swarm']

/** Begun first, the longest first, so that none goes on alone at the end. */
const long: readonly string[] = [
  'cli/dht',
  'cli/attack',
  'simulation/kills',
  'cli/repack',
  'cli/odd-file-systems',
  'cli/verify-rot',
  'cli/gc-at-work',
  'cli/verify',
  'cli/strangers',
  'cli/read',
  'cli/usage',
  'cli/restart',
  'cli/restore',
  'cli/in-place',
  'cli/travel',
  'cli/select',
  'log',
  'disk',
  'net',
  'sync'
]

function isIn(place: string, file: string): boolean {
  return file === place || file.startsWith(`${place}/`)
}

/** The tier that a file belongs to. What runs in the tier `default` are those of `unit` too. */
export function tierOf(file: string): Tier {
  if (heavy.some((place) => isIn(place, file))) return 'heavy'
  return endToEnd.some((place) => isIn(place, file)) ? 'default' : 'unit'
}

export function needsQuiet(file: string): boolean {
  return quiet.some((place) => isIn(place, file))
}

/** The rank of a file among those that run long, 0 for the longest. */
export function rankOf(file: string): number {
  const rank = long.findIndex((place) => isIn(place, file))
  return rank === -1 ? long.length : rank
}

/** Every file or directory that the tables name, to be compared with those that there are. */
export const named: readonly string[] = [...endToEnd, ...heavy, ...quiet, ...long]
