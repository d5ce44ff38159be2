import { closeSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { bytesOf } from '../support/bytes.ts'
import type { Scope } from '../support/cli.ts'
import { type Base, copying, startingAndWalking } from './calibration.ts'
import { type Cost, Pair } from './pair.ts'
import { RsyncCopy } from './rsync.ts'

/** One line of the table. */
export interface Figure {
  readonly name: string
  readonly cost: Cost
  /** The cost of comparable work on this machine. */
  readonly base: Base
  /** Time of rsync for the same change, in seconds. */
  readonly rsyncSeconds?: number | undefined
}

export interface Sizes {
  readonly largeBytes: number
  readonly files: number
  readonly liveFiles: number
}

/** Workloads by name, each in a directory of its own, which the scope may remove. */
export const workloads: Readonly<
  Record<string, (scope: Scope, home: string, sizes: Sizes, tell: (figure: Figure) => void) => Promise<void>>
> = { large, many, live }

const mebibyte = 1024 * 1024

/** One large file: first cloned, then with a byte inserted at its front, a page overwritten, and bytes appended. */
async function large(scope: Scope, home: string, sizes: Sizes, tell: (figure: Figure) => void): Promise<void> {
  const pair = new Pair(scope, home)
  const path = join(pair.source, 'large')
  const part = 16 * mebibyte
  for (let i = 0; i * part < sizes.largeBytes; i++) writeFileSync(path, bytesOf(part, 2 * i + 1), { flag: 'a' })
  const rsync = new RsyncCopy(pair.source, join(home, 'rsync'))
  const base = copying(pair.source, join(home, 'copy'))
  const megabytes = Math.round(sizes.largeBytes / mebibyte)
  const rsyncSeconds = rsync.bringUpToDate()
  tell({ name: `a file of ${megabytes} MiB`, cost: await pair.start(), base, rsyncSeconds })
  const edits: ReadonlyArray<readonly [name: string, edit: () => void]> = [
    ['a byte inserted at its front', () => insertByte(path)],
    ['4 KiB overwritten in it', () => overwrite(path, sizes.largeBytes / 2, bytesOf(4096, 3))],
    ['1 MiB appended to it', () => writeFileSync(path, bytesOf(mebibyte, 5), { flag: 'a' })]
  ]
  for (const [name, edit] of edits) {
    const cost = await pair.follow(edit)
    tell({ name, cost, base, rsyncSeconds: rsync.bringUpToDate() })
  }
  await pair.stop()
}

function insertByte(path: string): void {
  const bytes = readFileSync(path)
  writeFileSync(`${path}.new`, Buffer.concat([Buffer.of(1), bytes]))
  renameSync(`${path}.new`, path)
}

function overwrite(path: string, position: number, bytes: Buffer): void {
  const fd = openSync(path, 'r+')
  writeSync(fd, bytes, 0, bytes.length, position)
  closeSync(fd)
}

/** Many small files: first cloned, then their directory renamed, and both sides restarted. */
async function many(scope: Scope, home: string, { files }: Sizes, tell: (figure: Figure) => void): Promise<void> {
  const pair = new Pair(scope, home)
  makeTree(join(pair.source, 'tree'), files)
  const rsync = new RsyncCopy(pair.source, join(home, 'rsync'))
  const base = copying(pair.source, join(home, 'copy'))
  tell({ name: `${files} small files`, cost: await pair.start(), base, rsyncSeconds: rsync.bringUpToDate() })
  const cost = await pair.follow(() => renameSync(join(pair.source, 'tree'), join(pair.source, 'renamed')))
  tell({ name: 'their directory renamed', cost, base, rsyncSeconds: rsync.bringUpToDate() })
  await pair.stop()
  const restarting = startingAndWalking(pair.source)
  for (const what of ['nothing', 'one file'] as const) {
    if (what === 'one file') writeFileSync(join(pair.source, 'renamed/other'), 'changed')
    const rsyncSeconds = rsync.bringUpToDate()
    const name = `a restart, ${what} changed`
    tell({ name, cost: await pair.start(), base: restarting, rsyncSeconds })
    await pair.stop()
  }
}

function makeTree(directory: string, files: number): void {
  const perDirectory = 50
  for (let i = 0; i < files; i++) {
    const at = join(directory, `${Math.floor(i / perDirectory)}`)
    if (i % perDirectory === 0) mkdirSync(at, { recursive: true })
    writeFileSync(join(at, `${i}`), bytesOf(1024 + ((i * 7919) % 15) * 1024, 2 * i + 1))
  }
}

/** A lone change waits for a tick of 20 ms before it is read; the rest is p2psync's. */
const tick: Base = { seconds: 0.02, cpuSeconds: 0.02 }

/** New files of 1 KiB, one at a time, in a tree: the median. */
async function live(scope: Scope, home: string, sizes: Sizes, tell: (figure: Figure) => void): Promise<void> {
  const pair = new Pair(scope, home)
  makeTree(join(pair.source, 'tree'), sizes.files)
  await pair.start()
  const seconds: number[] = []
  let cost: Cost | undefined
  for (let i = 0; i < sizes.liveFiles; i++) {
    await sleep(500)
    let arrived: Promise<number> = Promise.resolve(0)
    cost = await pair.follow(() => {
      writeFileSync(join(pair.source, `tree/live ${i}`), bytesOf(1024, 2 * i + 1))
      arrived = readable(join(pair.mirror, `tree/live ${i}`), performance.now())
    })
    seconds.push(await arrived)
  }
  await pair.stop()
  const median = seconds.sort((a, b) => a - b)[Math.floor(seconds.length / 2)]
  if (cost === undefined || median === undefined) return
  tell({
    name: 'a new file of 1 KiB, median',
    cost: { ...cost, seconds: median },
    base: tick
  })
}

/** Resolves when a file of 1 KiB can be read. @returns seconds since `startMs` */
async function readable(path: string, startMs: number): Promise<number> {
  for (;;) {
    try {
      if (readFileSync(path).length === 1024) return (performance.now() - startMs) / 1000
    } catch {
      // Not there yet.
    }
    await sleep(1)
  }
}
