import type { Command } from 'commander'
import { addExamples } from '../manual/examples.ts'
import { print, printJson } from '../output/print.ts'
import { peerLine } from '../output/show-peer.ts'
import { findRunning, notRunning } from '../run/find-running.ts'

interface Options {
  readonly state?: string
  readonly json?: boolean
}

export function addPeersCommand(program: Command, onStatus: (status: number) => void): void {
  const command = program
    .command('peers')
    .summary('show who a folder is connected to')
    .description('Shows the connected peers of a folder that is at work: where they are, how, and what goes over it.')
    .argument('<folder>', 'a shared directory or a mirror')
    .option('--state <dir>', "the folder's state directory, where its marker doesn't tell")
    .option('--json', 'print one JSON object a peer')
    .action(async (directory: string, { state, json }: Options) => {
      const { folder, client } = await findRunning(directory, state)
      if (client === undefined) throw notRunning(folder)
      let count = 0
      for await (const peer of client.call('peers', {}, new AbortController().signal)) {
        count++
        if (json) await printJson(peer)
        else await print(`${peerLine(peer)}\n`)
      }
      if (count === 0 && !json) process.stderr.write('No peers\n')
      onStatus(0)
    })
  addExamples(command, ['p2psync peers ./photos', 'p2psync peers ./photos --json | jq -r .address'])
}
