import type { Command } from 'commander'
import { pauseClosedFolder } from '../../folder/pause-closed.ts'
import { addExamples } from '../manual/examples.ts'
import { printJson } from '../output/print.ts'
import { findRunning } from '../run/find-running.ts'

interface Options {
  readonly state?: string
  readonly json?: boolean
}

export function addPauseCommands(program: Command, onStatus: (status: number) => void): void {
  addCommand(program, onStatus, {
    name: 'pause',
    summary: 'have a folder rest until resume',
    description:
      'Has a folder rest, after what it is doing: it looks for no peers, publishes nothing and changes nothing, also ' +
      'when it is started again, until p2psync resume. It can be listed and read all the same.',
    done: 'Paused. p2psync resume has it go on'
  })
  addCommand(program, onStatus, {
    name: 'resume',
    summary: 'have a paused folder go on',
    description: 'Has a folder that was paused go on; what changed meanwhile is caught up with.',
    done: 'Going on'
  })
}

interface Texts {
  readonly name: 'pause' | 'resume'
  readonly summary: string
  readonly description: string
  readonly done: string
}

function addCommand(program: Command, onStatus: (status: number) => void, texts: Texts): void {
  const { name, summary, description, done } = texts
  const command = program
    .command(name)
    .summary(summary)
    .description(description)
    .argument('<folder>', 'a shared directory or a mirror')
    .option('--state <dir>', "the folder's state directory, where its marker doesn't tell")
    .option('--json', 'print what came of it as a JSON object')
    .action(async (directory: string, { state, json }: Options) => {
      const paused = name === 'pause'
      const { folder, client } = await findRunning(directory, state)
      if (client === undefined) {
        pauseClosedFolder(folder, paused)
      } else {
        for await (const _ of client.call(name, {}, new AbortController().signal)) {
          // What it tells goes without saying.
        }
      }
      if (json) await printJson({ type: 'paused', paused })
      else process.stderr.write(`${done}\n`)
      onStatus(0)
    })
  addExamples(command, [`p2psync ${name} ./photos`])
}
