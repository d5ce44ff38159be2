import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { SyncError } from '../../errors.ts'
import type { StatusRecord } from '../../handle/status.ts'
import { addExamples } from '../manual/examples.ts'
import { exitStatus } from '../output/exit-status.ts'
import { print, printJson } from '../output/print.ts'
import { Screen } from '../output/screen.ts'
import { statusLines } from '../output/show-status.ts'
import { findRunning } from '../run/find-running.ts'
import { listenForSignals } from '../run/signals.ts'

interface Options {
  readonly state?: string
  readonly watch?: boolean
  readonly json?: boolean
}

const watchMs = 1000
const columnsDefault = 80

export function addStatusCommand(program: Command, onStatus: (status: number) => void): void {
  const command = program
    .command('status')
    .summary('show how a folder stands, and why')
    .description(
      'Shows how a folder stands: what it holds and what its source has, what is missing and why, what differs here, ' +
        'its peers, and what it takes on disk; whether p2psync is at work on it or not.'
    )
    .argument('<folder>', 'a shared directory or a mirror')
    .option('-w, --watch', 'keep it on the screen, until Ctrl-C')
    .option('--state <dir>', "the folder's state directory, where its marker doesn't tell")
    .option('--json', 'print it as a JSON object; with --watch one each second')
    .action(async (directory: string, options: Options) => {
      if (options.watch) onStatus(await watch(directory, options))
      else {
        await show(await statusOf(directory, options), options)
        onStatus(exitStatus.ok)
      }
    })
  addExamples(command, [
    'p2psync status ./photos',
    'p2psync status ./photos --watch',
    'p2psync status ./photos --json | jq .percent'
  ])
}

async function show(status: StatusRecord, { json }: Options): Promise<void> {
  if (json) await printJson(status)
  else for (const line of statusLines(status, process.stdout.columns ?? columnsDefault)) await print(`${line}\n`)
}

async function watch(directory: string, options: Options): Promise<number> {
  const signals = listenForSignals()
  const ended = signals.received.then(() => true)
  const screen = options.json || !process.stdout.isTTY ? undefined : new Screen()
  try {
    for (;;) {
      const status = await statusOf(directory, options)
      if (screen === undefined) await show(status, options)
      else screen.draw(statusLines(status, screen.columns))
      if (await Promise.race([ended, sleep(watchMs, false)])) return exitStatus.interrupted
    }
  } finally {
    screen?.close()
    signals.end()
  }
}

async function statusOf(directory: string, { state }: Options): Promise<StatusRecord> {
  const { folder, client } = await findRunning(directory, state)
  if (client !== undefined) {
    try {
      for await (const status of client.call('status', {}, new AbortController().signal)) return status
    } catch (error) {
      // It has ended in this moment.
      if (!(error instanceof SyncError) || error.code !== 'CLOSED') throw error
    }
  }
  const { ClosedFolder } = await import('../../handle/closed-folder.ts')
  const resting = await ClosedFolder.open(folder)
  try {
    return await resting.status()
  } finally {
    await resting.close()
  }
}
