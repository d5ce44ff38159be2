/**
 * Which tests run when. Paths are relative to `test/` and without `.test.ts`; a directory stands for all that it holds.
 *
 * - `unit`: they start no p2psync, need neither hosts nor disks of their own, and are quick. Half a minute.
 * - `default`: the unit tests, slower ones, and the end-to-end tests. Five minutes.
 * - `heavy`: kills at every step, a month of versions, swarms, sieges, odd disks, large files and trees, and whatever else runs long.
 *
 * Times are of an idle machine with two cores.
 */
export const tiers = ['unit', 'default', 'heavy'] as const
export type Tier = (typeof tiers)[number]

/** They start p2psync, hosts or disks, or wait for long: each file gets a process. All others share some. */
const endToEnd: readonly string[] = [
  'end-to-end',
  'simulation',
  'support',
  'control',
  'disk/read/large-file',
  'disk/state/identity',
  'disk/write/race',
  'log/hypercore/stall-watch',
  'log/packed/deltas',
  'log/bee/path-index',
  'log/content/relocations',
  'log/packed/snapshot',
  'net/held-up',
  'net/lan/lan',
  'net/network',
  'net/silent-link',
  'net/lan/same-machine',
  'net/wire/throttle',
  'peers/allow-list',
  'care/checks'
]

/** They start nothing either, but each takes a second of processor time, or waits for several: for stores, peers and timers. */
const slow: readonly string[] = [
  'care/collect-garbage',
  'care/doctor',
  'care/run-check',
  'care/verify',
  'care/verify-repair',
  'change/restore',
  'disk/threads/workers',
  'handle/operations',
  'log/bee/bee-view',
  'log/bee/find-version',
  'log/bee/history',
  'log/bee/list',
  'log/hypercore/availability',
  'log/packed',
  'log/unfinished',
  'mirror/apply-version',
  'mirror/mirror-target',
  'net/insiders',
  'net/wire/frame-reader',
  'publish/entries-snapshot',
  'query/indexing',
  'session/recovery'
]

const heavy: readonly string[] = [
  'end-to-end/hostile/attack',
  'end-to-end/faults/damage',
  'end-to-end/network/dht',
  'end-to-end/faults/disk-full',
  'end-to-end/history/gc-at-work',
  'end-to-end/hostile/hostile-peer',
  'end-to-end/history/keep-replaced',
  'end-to-end/history/keep-replaced-kills',
  'end-to-end/follow/in-place',
  'end-to-end/follow/many-files',
  'end-to-end/network/nat',
  'end-to-end/follow/normalising-file-systems',
  'end-to-end/follow/odd-file-systems',
  'end-to-end/history/pinned',
  'end-to-end/history/repack',
  'end-to-end/follow/restart-kills',
  'end-to-end/history/restore-again',
  'end-to-end/faults/restored-store',
  'end-to-end/follow/snapshot',
  'end-to-end/network/swarm',
  'end-to-end/faults/vanished-disk',
  'end-to-end/faults/verify-rot',
  'end-to-end/commands/watchers',
  'simulation/kills',
  'simulation/large-changes',
  'simulation/month'
]

/** Run one after the other, when nothing else runs: which way two peers take depends on how soon they hear of each other. */
const quiet: readonly string[] = ['end-to-end/network/nat', 'end-to-end/network/swarm']

/** Begun first, the longest first, so that none goes on alone at the end. */
const long: readonly string[] = [
  'end-to-end/network/dht',
  'end-to-end/hostile/attack',
  'simulation/kills',
  'end-to-end/history/repack',
  'end-to-end/follow/odd-file-systems',
  'end-to-end/faults/verify-rot',
  'end-to-end/history/gc-at-work',
  'end-to-end/faults/verify',
  'end-to-end/network/strangers',
  'end-to-end/commands/read',
  'end-to-end/commands/usage',
  'end-to-end/follow/restart',
  'end-to-end/history/restore',
  'end-to-end/follow/in-place',
  'end-to-end/follow/travel',
  'end-to-end/follow/select',
  'log',
  'disk',
  'net',
  'query'
]

function isIn(place: string, file: string): boolean {
  return file === place || file.startsWith(`${place}/`)
}

/** The tier that a file belongs to. What runs in the tier `default` are those of `unit` too. */
export function tierOf(file: string): Tier {
  if (heavy.some((place) => isIn(place, file))) return 'heavy'
  return [...endToEnd, ...slow].some((place) => isIn(place, file)) ? 'default' : 'unit'
}

/** Whether a file shares no process with others. */
export function hasOwnProcess(file: string): boolean {
  return [...endToEnd, ...heavy, ...quiet].some((place) => isIn(place, file))
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
export const named: readonly string[] = [...endToEnd, ...slow, ...heavy, ...quiet, ...long]
