import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { SyncError } from '../../errors.ts'
import type { StatusRecord } from '../../handle/status.ts'
import { addExamples } from '../manual/examples.ts'
import { addFolderOptions, type FolderOptions } from '../options/options.ts'
import { exitStatus } from '../output/exit-status.ts'
import { print, printJson } from '../output/print.ts'
import { Screen } from '../output/screen.ts'
import { statusLines } from '../output/show-status.ts'
import { findRunning } from '../run/find-running.ts'
import { listenForSignals } from '../run/signals.ts'

interface Options extends FolderOptions {
  readonly watch?: boolean
}

const watchMs = 1000
const columnsDefault = 80

export function defineStatus(command: Command, onStatus: (status: number) => void): void {
  command
    .description(
      'Shows the state of a folder: its version and the newest known one, missing contents and the reason, local ' +
        'differences, peers, and disk use; whether p2psync is running on it or not.'
    )
    .argument('<folder>', 'a shared or mirrored directory')
    .option('-w, --watch', 'refresh every second, until Ctrl-C')
  addFolderOptions(command, 'print a JSON object; with --watch, one every second').action(
    async (directory: string, options: Options) => {
      if (options.watch) onStatus(await watch(directory, options))
      else {
        await show(await statusOf(directory, options), options)
        onStatus(exitStatus.ok)
      }
    }
  )
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
      // The process may end while it is asked; then the folder can be opened here.
      if (!(error instanceof SyncError) || error.code !== 'CLOSED') throw error
    }
  }
  const { ClosedFolder } = await import('../../handle/closed-folder.ts')
  const closed = await ClosedFolder.open(folder)
  try {
    return await closed.status()
  } finally {
    await closed.close()
  }
}
