import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import type { VerifyEvent } from '../../src/index.ts'
import { flipBit, storedBlocks } from './bit-flips.ts'
import { bytesOf } from './bytes.ts'
import { type Command, start, startClone, startShare } from './cli.ts'
import { startTestnet } from './testnet.ts'

type Of<T extends VerifyEvent['type']> = Extract<VerifyEvent, { type: T }>

export function eventsOf<T extends VerifyEvent['type']>({ events }: Command, type: T): Of<T>[] {
  return (events as readonly unknown[] as readonly VerifyEvent[]).filter((event) => event.type === type) as Of<T>[]
}

function endOf(command: Command): Of<'verified'> {
  const [end] = eventsOf(command, 'verified')
  if (end === undefined) throw new Error(`No end\n${command.stderr}`)
  return end
}

export const nameOf = (event: Of<'damaged' | 'repaired' | 'unrepaired'>) =>
  event.what === 'file' ? event.path : event.what === 'block' ? `${event.core} ${event.block}` : event.what

export async function verify(t: Assert, folder: string, bootstrap: string, ...args: string[]) {
  const command = start(t, ['verify', folder, '--json', ...args], { bootstrap })
  const status = await command.exit()
  t.absent(/\n {4}at |UNEXPECTED/.test(command.stderr + command.stdout), 'no stack trace')
  return { status, command, damaged: eventsOf(command, 'damaged'), end: endOf(command) }
}

const small = Array.from({ length: 60 }, (_, i) => ({ path: `dir-${i % 3}/small-${i}`, bytes: 3000 + i * 100 }))
const middle = Array.from({ length: 60 }, (_, i) => ({
  path: `dir-${i % 3}/middle-${i}`,
  bytes: 130_000 + i * 1000
}))
const large = Array.from({ length: 3 }, (_, i) => ({ path: `large-${i}`, bytes: 3_000_000 }))
export const allFiles = [...small, ...middle, ...large]

/** A running source and its stopped mirror. */
export async function startPair(t: Assert, mirror?: string) {
  const { text: bootstrap } = await startTestnet(t)
  const source = await t.tmp()
  for (let i = 0; i < 3; i++) mkdirSync(join(source, `dir-${i}`))
  for (const [i, { path, bytes }] of allFiles.entries()) writeFileSync(join(source, path), bytesOf(bytes, 2 * i + 1))
  const at = mirror ?? join(await t.tmp(), 'mirror')
  const writer = await startShare(t, source, { bootstrap })
  const args = mirror === undefined ? ['--once'] : ['--once', '--adopt']
  t.is(await startClone(t, writer.key, at, { bootstrap, args }).exit(), 0)
  return { bootstrap, source, mirror: at, writer, store: join(at, '.p2psync/store') }
}

/** The blocks in a store that hold file contents. Files of these sizes aren't compressed: their blocks hold them unchanged. */
export function liveBlocks(store: string, source: string) {
  const contents = allFiles.map(({ path }) => readFileSync(join(source, path)))
  return storedBlocks(store).filter(({ bytes }) =>
    contents.some((content) => bytes.includes(content.subarray(0, 64)) || content.includes(bytes.subarray(0, 64)))
  )
}

export function removeConflicts(folder: string): number {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.includes('.conflict-'))
  for (const name of names) rmSync(join(folder, name))
  return names.length
}

/** Flips bits of a disk image, unnoticed by its file system. */
export function rot(image: string, contents: readonly Buffer[]): void {
  const disk = readFileSync(image)
  for (const content of contents) {
    // At every occurrence: in the file, and in the store.
    for (let at = disk.indexOf(content.subarray(0, 64)); at >= 0; at = disk.indexOf(content.subarray(0, 64), at + 1)) {
      flipBit(image, at + 100, 3)
    }
  }
}
