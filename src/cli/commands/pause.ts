import type { Command } from 'commander'
import { addExamples } from '../manual/examples.ts'
import { addFolderOptions, type FolderOptions } from '../options/options.ts'
import { exitStatus } from '../output/exit-status.ts'
import { printJson } from '../output/print.ts'
import { findRunning } from '../run/find-running.ts'

type OnStatus = (status: number) => void

export function definePause(command: Command, onStatus: OnStatus): void {
  define(command, onStatus, {
    paused: true,
    description:
      'Suspends a folder after its current step: until p2psync resume it looks for no peers, publishes nothing and ' +
      'changes nothing, even after a restart. It can still be listed and read.',
    done: 'Paused. Continue with p2psync resume'
  })
}

export function defineResume(command: Command, onStatus: OnStatus): void {
  define(command, onStatus, {
    paused: false,
    description: 'Continues a paused folder, which then catches up with the changes made meanwhile.',
    done: 'Resumed'
  })
}

interface Wanted {
  readonly paused: boolean
  readonly description: string
  readonly done: string
}

function define(command: Command, onStatus: OnStatus, { paused, description, done }: Wanted): void {
  command.description(description).argument('<folder>', 'a shared or mirrored directory')
  addFolderOptions(command, 'print the result as a JSON object').action(
    async (directory: string, { state, json }: FolderOptions) => {
      await setPaused(directory, state, paused)
      if (json) await printJson({ type: 'paused', paused })
      else process.stderr.write(`${done}\n`)
      onStatus(exitStatus.ok)
    }
  )
  addExamples(command, [`p2psync ${command.name()} ./photos`])
}

async function setPaused(directory: string, state: string | undefined, paused: boolean): Promise<void> {
  const { folder, client } = await findRunning(directory, state)
  if (client === undefined) {
    const { pauseClosedFolder } = await import('../../folder/pause-closed.ts')
    pauseClosedFolder(folder, paused)
    return
  }
  const records = client.call(paused ? 'pause' : 'resume', {}, new AbortController().signal)
  for await (const _ of records) {
    // The record repeats the request.
  }
}
