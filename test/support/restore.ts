import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { bytesOf } from './bytes.ts'
import { start, startClone, startShare } from './cli.ts'
import { snapshot, waitUntilEqual } from './snapshot.ts'
import { startTestnet } from './testnet.ts'

export interface OutputRecord {
  readonly type: string
  readonly version?: number
  readonly path?: string
  readonly op?: string
  readonly kind?: string
  readonly changes?: number
  readonly conflicts?: number
  readonly others?: number
}

/** Runs a command to its end. @returns its status, its JSON output and stderr */
export async function run(t: Assert, args: readonly string[], bootstrap: string) {
  const command = start(t, [...args, '--json'], { bootstrap })
  const status = await command.exit()
  return { status, records: command.events as unknown as readonly OutputRecord[], stderr: command.stderr }
}

/** A running folder with two versions, snapshots of both, and a running mirror. */
export async function startTwoVersions(t: Assert) {
  const { text: bootstrap } = await startTestnet(t)
  const source = await t.tmp()
  const mirror = join(await t.tmp(), 'mirror')
  const at = (path: string) => join(source, path)
  mkdirSync(at('docs'))
  writeFileSync(at('docs/todo'), 'one')
  writeFileSync(at('gone'), 'was here')
  mkdirSync(at('old/empty'), { recursive: true })
  symlinkSync('../gone', at('old/link'))
  writeFileSync(at('old/large.bin'), bytesOf(3_000_000, 3))
  writeFileSync(at('large.bin'), bytesOf(3_000_000, 1))
  const writer = await startShare(t, source, { bootstrap })
  await writer.event('up-to-date')
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await reader.event('in-sync')
  const { version: first } = await writer.event('published')
  const before = snapshot(source)
  writeFileSync(at('docs/todo'), 'two')
  rmSync(at('gone'))
  rmSync(at('old'), { recursive: true })
  writeFileSync(at('new'), 'new')
  writeFileSync(at('large.bin'), bytesOf(3_000_000, 2))
  await waitUntilEqual(t, source, mirror)
  const second = (await run(t, ['log', mirror, '-n', '1'], bootstrap)).records[0]?.version
  return { source, mirror, writer, reader, bootstrap, first, second, before, after: snapshot(source) }
}
