import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import type { ControlClient } from '../../control/client.ts'
import { SyncError } from '../../errors.ts'
import type { KnownFolder } from '../../folder/known-folder.ts'
import { addExamples } from '../manual/examples.ts'
import { given, parseDuration } from '../options/options.ts'
import { exitStatus } from '../output/exit-status.ts'
import { printJson } from '../output/print.ts'
import { findRunning, notRunning } from '../run/find-running.ts'
import { listenForSignals } from '../run/signals.ts'
import { parseVersion } from '../run/where.ts'

interface Options {
  readonly state?: string
  readonly version?: string
  readonly timeout?: number
  readonly json?: boolean
}

const tickMs = 200

export function addWaitCommand(program: Command, onStatus: (status: number) => void): void {
  const command = program
    .command('wait')
    .summary('return when a folder is in sync or has a version')
    .description(
      'Returns when this machine holds a version: a mirror when it is applied, a shared folder when it is published. ' +
        'Without a version, when all that is known of is done. Where nobody is at work on the folder yet, it waits for that.'
    )
    .argument('<folder>', 'a shared directory or a mirror')
    .option('--version <number>', 'the version to wait for', parseVersion)
    .option('--timeout <time>', 'give up after this time (default: never)', parseDuration)
    .option('--state <dir>', "the folder's state directory, where its marker doesn't tell")
    .option('--json', 'print the version as a JSON object')
    .action(async (directory: string, options: Options) => {
      const stop = new AbortController()
      const signals = listenForSignals()
      const interrupted = signals.received.then((status) => {
        stop.abort()
        return status
      })
      try {
        onStatus(await held(directory, options, stop.signal))
      } catch (error) {
        if (!stop.signal.aborted) throw error
        onStatus(await interrupted)
      } finally {
        signals.end()
      }
    })
  addExamples(command, ['p2psync wait ./mirror --timeout 10m && make', 'p2psync wait ./mirror --version 1234'])
}

async function held(directory: string, options: Options, signal: AbortSignal): Promise<number> {
  const { state, timeout } = options
  const endMs = performance.now() + (timeout ?? Number.POSITIVE_INFINITY)
  for (;;) {
    const { folder, client } = await findRunning(directory, state)
    const leftMs = endMs - performance.now()
    if (client !== undefined && (await ask(client, folder.root, options, leftMs, signal))) return exitStatus.ok
    if (leftMs <= 0) throw late(folder, client !== undefined)
    await sleep(Math.min(tickMs, Math.max(1, leftMs)), undefined, { signal })
  }
}

/** What keeps it from being waited for any longer is told; that it took too long is the same whoever is at work. */
function late(folder: KnownFolder, isRunning: boolean): SyncError {
  const why = isRunning ? `${folder.root} is not open yet, or not at the moment` : notRunning(folder).message
  return new SyncError('NO_PEER', `It doesn't hold that yet. ${why}`)
}

/** @returns whether it was answered; who was asked may end, and be started again */
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
      else process.stderr.write(`${root} holds version ${record.version}\n`)
    }
    return true
  } catch (error) {
    if (error instanceof SyncError && (error.code === 'CLOSED' || error.code === 'NOT_READY')) return false
    throw error
  }
}
