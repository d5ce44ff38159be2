import type { Command } from 'commander'
import { addExamples } from '../manual/examples.ts'
import { addFolderOptions, type FolderOptions } from '../options/options.ts'
import { exitStatus } from '../output/exit-status.ts'
import { print, printJson } from '../output/print.ts'
import { peerLine } from '../output/show-peer.ts'
import { findRunning, notRunning } from '../run/find-running.ts'

export function definePeers(command: Command, onStatus: (status: number) => void): void {
  command
    .description('Lists the connected peers of a running folder: address, transport, round trip time, and traffic.')
    .argument('<folder>', 'a shared or mirrored directory')
  addFolderOptions(command, 'print JSON, one object a peer').action(
    async (directory: string, { state, json }: FolderOptions) => {
      const { folder, client } = await findRunning(directory, state)
      if (client === undefined) throw notRunning(folder)
      let count = 0
      for await (const peer of client.call('peers', {}, new AbortController().signal)) {
        count++
        if (json) await printJson(peer)
        else await print(`${peerLine(peer)}\n`)
      }
      if (count === 0 && !json) process.stderr.write('No peers\n')
      onStatus(exitStatus.ok)
    }
  )
  addExamples(command, ['p2psync peers ./photos', 'p2psync peers ./photos --json | jq -r .address'])
}
