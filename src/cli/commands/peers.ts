import type { Command } from 'commander'
import type { PeerRecord } from '../../sync/status.ts'
import { addExamples } from '../examples.ts'
import { print, printJson } from '../print.ts'
import { findRunning, notRunning } from '../running.ts'
import { showBytes, showTransport } from '../text.ts'

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

/** `203.0.113.7:49737     UDX                   31 ms  ↑ 1.2 MB/s  ↓ 0 B/s    e8yxrqm1` */
export function peerLine(peer: PeerRecord, columns = Number.POSITIVE_INFINITY): string {
  const { address, rttMs, sendRate, receiveRate, machine } = peer
  const rtt = `${rttMs < 10 ? rttMs : Math.round(rttMs)} ms`
  const rates = `↑ ${`${showBytes(sendRate)}/s`.padEnd(9)} ↓ ${`${showBytes(receiveRate)}/s`.padEnd(9)}`
  const line = `${address.padEnd(22)} ${showTransport(peer).padEnd(19)} ${rtt.padStart(7)}  ${rates}`
  const whole = `${line} ${machine.slice(0, 8)}`
  return (whole.length > columns ? line : whole).trimEnd()
}
