import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Assert } from 'brittle'
import type { FailpointName } from '../../src/failpoints.ts'
import { packageRoot } from './cli.ts'

/** The environment in which a command is killed when it reaches a step for the first time. */
export async function killingAt(t: Assert, step: FailpointName): Promise<NodeJS.ProcessEnv> {
  const order = join(await t.tmp(), 'kill-at')
  writeFileSync(order, `${step} 1`)
  const preload = pathToFileURL(join(packageRoot, 'dist/test/support/kill-at.js')).href
  return { NODE_OPTIONS: `--import ${preload}`, P2PSYNC_KILL_AT: order }
}
