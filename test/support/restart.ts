import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { bytesOf } from './bytes.ts'
import { startTestnet } from './testnet.ts'

export async function startFolders(t: Assert) {
  const { text: bootstrap } = await startTestnet(t)
  const source = await t.tmp()
  const mirror = join(await t.tmp(), 'mirror')
  return {
    bootstrap,
    source,
    mirror,
    at: (path: string) => join(source, path),
    here: (path: string) => join(mirror, path)
  }
}

/** Writes enough files that transferring them takes a while. */
export function fill(source: string, files: number): void {
  mkdirSync(join(source, 'many'), { recursive: true })
  for (let i = 0; i < files; i++) writeFileSync(join(source, `many/${i}`), bytesOf(5000 + i, i + 1))
  writeFileSync(join(source, 'large'), bytesOf(40_000_000, 7))
}
