import type { Command } from 'commander'
import { SyncError } from '../../errors.ts'
import type { ClonedFolder, KeepReplaced } from '../../index.ts'
import { addExamples } from '../manual/examples.ts'
import { addNetworkOptions, connectOptions, type NetworkOptions } from '../options/network-options.ts'
import {
  addCommonOptions,
  type CommonOptions,
  collect,
  folderOptions,
  parseDuration,
  parseKeepReplaced
} from '../options/options.ts'
import { exitStatus } from '../output/exit-status.ts'
import { failure, forever, runFolder } from '../run/session.ts'

interface Options extends CommonOptions, NetworkOptions {
  readonly adopt?: boolean
  readonly keepReplaced?: KeepReplaced
  readonly only?: string[]
  readonly exclude?: string[]
  readonly rebuild?: boolean
  readonly once?: boolean
  readonly safeLinks?: boolean
  readonly timeout?: number
}

/** With --once, how long to look for a first peer. */
const onceTimeoutMs = 60_000

export function addCloneCommand(program: Command, onStatus: (status: number) => void): void {
  const command = addNetworkOptions(
    addCommonOptions(
      program
        .command('clone')
        .summary('rebuild a published directory and follow it')
        .description(
          'Rebuilds the directory of a key and follows it. Started again in the same directory it goes on where it ' +
            'was. What you change in it is never overwritten: it stays, or is kept as name.conflict-<time>-<host>.'
        )
        .argument('<key>', 'as share printed it; <key>@<version> keeps the mirror at a version')
        .argument('<dir>', 'a new or empty directory, or a mirror of this key')
    )
  )
    .option('--once', 'end when it holds the newest version that its peers have')
    .option(
      '--timeout <time>',
      'give up when no peer is found in this time, or with --once the disk stays full (default with --once: 60s)',
      parseDuration
    )
    .option(
      '--keep-replaced <time[,size]>',
      'keep large files that the source replaces or removes for so long, up to so much, or none; stored with the mirror (default: 7d, 10% of the disk)',
      parseKeepReplaced
    )
    .option('--only <glob>', 'hold only what this matches, as in .gitignore; may be repeated', collect)
    .option('--exclude <glob>', 'leave out what this matches; may be repeated', collect)
    .option('--safe-links', 'refuse symlinks whose target is absolute or could lead out of the folder')
    .option('--adopt', 'take a directory that is not empty; its files are kept')
    .option('--rebuild', 'set a damaged log aside and fetch it anew; files that match are kept')
    .action(async (where: string, directory: string, options: Options) => {
      const { adopt, keepReplaced, rebuild, safeLinks, only, exclude } = options
      const [key, version] = splitKey(where)
      const { clone } = await import('../../index.ts')
      const folder = clone(key, directory, {
        ...(version === undefined ? {} : { version }),
        ...(only === undefined ? {} : { only }),
        ...(exclude === undefined ? {} : { exclude }),
        ...connectOptions(options),
        ...folderOptions(options),
        ...(adopt === undefined ? {} : { adopt }),
        ...(keepReplaced === undefined ? {} : { keepReplaced }),
        ...(rebuild === undefined ? {} : { rebuild }),
        ...(safeLinks === undefined ? {} : { safeLinks })
      })
      onStatus(await runFolder(folder, options, untilDone(folder, options)))
    })
  addExamples(command, [
    'p2psync clone <key> ./mirror',
    'p2psync clone <key> ./mirror --once && echo complete',
    ['p2psync clone <key> ./copy-from-usb-disk --adopt', 'what is there already, and matches, is not fetched'],
    ["p2psync clone <key> ./mirror --only docs/ --only '*.md' --exclude '*.tmp'", 'a part of the folder'],
    'p2psync clone <key>@1234 ./as-it-was',
    'p2psync clone <key>@2026-11-20T12:00 ./as-it-was'
  ])
}

/** A key has no `@`: what stands behind one has to be a version. */
function splitKey(text: string): readonly [key: string, version: string | undefined] {
  const at = text.indexOf('@')
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}

function untilDone(folder: ClonedFolder, { once, timeout }: Options): () => Promise<number> {
  // Asked for before the folder opens, so that nothing is missed.
  const inSync = folder.inSync()
  inSync.catch(() => {}) // Closed first.
  // A full disk has a time limit of its own, below.
  const failed = failure(folder, ['DISK_FULL'])
  return async () => {
    const timeoutMs = timeout ?? (once ? onceTimeoutMs : undefined)
    const done = () => (folder.problems.length > 0 ? exitStatus.partial : exitStatus.ok)
    const work = once ? Promise.race([inSync.then(done), failed]) : forever()
    return timeoutMs === undefined
      ? work
      : Promise.race([work, failWithoutPeer(folder, timeoutMs), ...(once ? [failOnFullDisk(folder, timeoutMs)] : [])])
  }
}

/** Rejects when the disk stays full, and nothing comes forward for so long; else never settles. */
function failOnFullDisk(folder: ClonedFolder, timeoutMs: number): Promise<never> {
  return new Promise((_, reject) => {
    let most = 0
    folder.subscribe((event) => {
      // Work that begins anew again and again doesn't come further than before.
      if (event.type === 'progress') most = Math.max(most, event.bytes)
      if (event.type !== 'error' || event.code !== 'DISK_FULL') return
      let before = most
      setInterval(() => {
        if (most === before) reject(new SyncError('DISK_FULL', event.message))
        before = most
      }, timeoutMs).unref()
    })
  })
}

/** Rejects when no peer is there for so long, and else never settles. A full disk, which has none, isn't held for that. */
function failWithoutPeer(folder: ClonedFolder, timeoutMs: number): Promise<never> {
  return new Promise((_, reject) => {
    let timer: NodeJS.Timeout | undefined
    let isFull = false
    const lookAgain = () => {
      clearTimeout(timer)
      if (folder.peers > 0) return
      timer = setTimeout(() => {
        if (isFull) return lookAgain()
        const message = `No peer was found in ${Math.round(timeoutMs / 1000)} s. ${folder.whyNoPeers} Give --timeout for more time`
        reject(new SyncError('NO_PEER', message))
      }, timeoutMs)
    }
    folder.subscribe((event) => {
      if (event.type === 'error') isFull = event.code === 'DISK_FULL'
      if (event.type === 'in-sync') isFull = false
      if (event.type === 'peer') lookAgain()
    })
    lookAgain()
  })
}
