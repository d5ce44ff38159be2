import type { Assert } from 'brittle'
import { start } from './cli.ts'

interface Collected {
  readonly type: 'gc'
  readonly versionsKept: number
  readonly isCut: boolean
  readonly oldest: { readonly version: number } | null
  readonly blocks: number
  readonly bytes: number
  readonly before: number
  readonly after: number
}

export async function gc(t: Assert, folder: string, ...args: readonly string[]): Promise<Collected> {
  const command = start(t, ['gc', folder, '--json', ...args])
  t.is(await command.exit(), 0, command.stderr)
  return JSON.parse(command.stdout) as Collected
}
