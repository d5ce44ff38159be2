import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import type { ControlClient } from '../../control/client.ts'
import { SyncError } from '../../errors.ts'
import type { KnownFolder } from '../../folder/known-folder.ts'
import { addExamples } from '../manual/examples.ts'
import { addFolderOptions, type FolderOptions, given } from '../options/options.ts'
import { parseDuration } from '../options/parse.ts'
import { exitStatus } from '../output/exit-status.ts'
import { printJson } from '../output/print.ts'
import { findRunning, notRunning } from '../run/find-running.ts'
import { withSignals } from '../run/signals.ts'
import { parseVersion } from '../run/where.ts'

interface Options extends FolderOptions {
  readonly version?: string
  readonly timeout?: number
}

/** How often to look for a process that runs the folder, in milliseconds. */
const pollMs = 200

export function defineWait(command: Command, onStatus: (status: number) => void): void {
  command
    .description(
      'Waits until this machine has a version: a mirror has applied it, a shared folder has published it. Without ' +
        '--version, until the folder is in sync with everything known. If p2psync is not running on the folder yet, ' +
        'waits for that first.'
    )
    .argument('<folder>', 'a shared or mirrored directory')
    .option('--version <number>', 'wait for this version', parseVersion)
    .option('--timeout <time>', 'fail after this time (default: never)', parseDuration)
  addFolderOptions(command, 'print the version as a JSON object').action(async (directory: string, options: Options) =>
    onStatus(await withSignals((signal) => wait(directory, options, signal)))
  )
  addExamples(command, ['p2psync wait ./mirror --timeout 10m && make', 'p2psync wait ./mirror --version 1234'])
}

async function wait(directory: string, options: Options, signal: AbortSignal): Promise<number> {
  const { state, timeout } = options
  const endMs = performance.now() + (timeout ?? Number.POSITIVE_INFINITY)
  for (;;) {
    const { folder, client } = await findRunning(directory, state)
    const leftMs = endMs - performance.now()
    if (client !== undefined && (await ask(client, folder.root, options, leftMs, signal))) return exitStatus.ok
    if (leftMs <= 0) throw timedOut(folder, client !== undefined)
    await sleep(Math.min(pollMs, Math.max(1, leftMs)), undefined, { signal })
  }
}

function timedOut(folder: KnownFolder, isRunning: boolean): SyncError {
  const reason = isRunning ? `p2psync has not opened ${folder.root} yet` : notRunning(folder).message
  return new SyncError('NO_PEER', `The folder does not have that version. ${reason}`)
}

/** @returns whether the process answered: it may end, and another may start */
async function ask(
  client: ControlClient,
  root: string,
  { version, timeout, json }: Options,
  leftMs: number,
  signal: AbortSignal
): Promise<boolean> {
  try {
    const timeoutMs = timeout === undefined ? undefined : Math.max(1, leftMs)
    for await (const record of client.call('wait', given({ version, timeoutMs }), signal)) {
      if (json) await printJson(record)
      else process.stderr.write(`${root} has version ${record.version}\n`)
    }
    return true
  } catch (error) {
    if (error instanceof SyncError && (error.code === 'CLOSED' || error.code === 'NOT_READY')) return false
    throw error
  }
}
