import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Assert } from 'brittle'
import Corestore from 'corestore'
import Hyperbee from 'hyperbee'
import CorestoreStorage from 'hypercore-storage'
import type { FailpointName } from '../../src/failpoints.ts'
import { parseKey } from '../../src/log/hypercore/store.ts'
import type { FileEntry } from '../../src/tree/entry.ts'
import type { Version } from '../../src/tree/tree.ts'
import { bytesOf } from './bytes.ts'
import { type Command, packageRoot, startClone, startShare } from './cli.ts'
import { hashOf } from './entries.ts'
import { startTestnet } from './testnet.ts'
import { until } from './until.ts'

export const mb = 1_000_000
export const large = bytesOf(3 * mb, 1)
export const other = bytesOf(3 * mb, 2)

interface Scene {
  readonly source: string
  readonly mirror: string
  readonly writer: Command & { key: string }
  readonly addresses: { host: string; port: number }[]
  readonly bootstrap: string
  /** Starts the mirror, and waits until it is in sync. */
  clone(args?: readonly string[], env?: NodeJS.ProcessEnv): Promise<Command>
}

/** A source with two large files and a small one. */
export async function openScene(t: Assert, { mirror }: { readonly mirror?: string } = {}): Promise<Scene> {
  const { addresses, text: bootstrap } = await startTestnet(t)
  const source = await t.tmp()
  const at = mirror ?? join(await t.tmp(), 'mirror')
  writeFileSync(join(source, 'large'), large)
  writeFileSync(join(source, 'other'), other)
  writeFileSync(join(source, 'small'), bytesOf(1000, 3))
  const writer = await startShare(t, source, { bootstrap })
  await writer.event('up-to-date')
  const clone = async (args: readonly string[] = [], env: NodeJS.ProcessEnv = {}) => {
    const reader = startClone(t, writer.key, at, { bootstrap, args, env })
    await reader.event('in-sync')
    return reader
  }
  return { source, mirror: at, writer, addresses, bootstrap, clone }
}

/** The version of the writer's last `up-to-date` event. */
export function versionOf({ events }: Command): Version {
  const last = events.findLast((event) => event.type === 'up-to-date')
  if (last?.type !== 'up-to-date') throw new Error('Nothing was published')
  return { fork: last.fork, length: last.version }
}

/** Waits until a mirror keeps exactly these contents, each complete and with a record. */
export async function waitForKept(t: Assert, mirror: string, ...contents: readonly Uint8Array[]): Promise<void> {
  const directory = join(mirror, '.p2psync/kept')
  const hashes = contents.map(hashOf)
  const names = hashes.flatMap((hash) => [hash, `${hash}.json`]).sort()
  // The directory doesn't exist before a file is kept.
  const listKept = () => (existsSync(directory) ? readdirSync(directory).sort() : [])
  const areKept = () => listKept().join() === names.join()
  await until(areKept, { what: 'the kept files' }).catch(() => {})
  t.alike(listKept(), names, 'the mirror keeps the expected files')
  for (const hash of hashes) t.is(hashOf(readFileSync(join(directory, hash))), hash, 'a kept file is complete')
}

/** How many blocks of a file a stopped mirror claims to have. */
export async function heldBlockCount(mirror: string, key: string, { extents }: FileEntry): Promise<number> {
  const corestore = new Corestore(new CorestoreStorage(join(mirror, '.p2psync/store')))
  try {
    const entries = corestore.get({ key: parseKey(key) })
    await entries.ready()
    const header = await new Hyperbee(entries, { extension: false }).getHeader()
    const content = corestore.get({ key: header.metadata?.contentFeed as Buffer })
    await content.ready()
    let count = 0
    for (const { block, blocks } of extents) {
      for (let i = block; i < block + blocks; i++) if (await content.has(i)) count++
    }
    return count
  } finally {
    await corestore.close()
  }
}

/** The environment of a process that SIGKILLs itself when it first reaches a step after it was armed. */
export async function killable(t: Assert) {
  const order = join(await t.tmp(), 'order')
  const preload = pathToFileURL(join(packageRoot, 'dist/test/support/kill-at.js')).href
  const env = { NODE_OPTIONS: `--import ${preload}`, P2PSYNC_KILL_AT: order }
  return { env, arm: (step: FailpointName) => writeFileSync(order, `${step} 1`) }
}
