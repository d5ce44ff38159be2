import type { Command } from 'commander'
import type { PrivateDht } from '../../index.ts'
import { addExamples } from '../manual/examples.ts'
import { given } from '../options/options.ts'
import { parsePort } from '../options/parse.ts'
import { showJson } from '../output/text.ts'
import { forever } from '../run/session.ts'
import { listenForSignals } from '../run/signals.ts'

interface Options {
  readonly port?: number
  readonly host?: string
  readonly json?: boolean
  readonly quiet?: boolean
}

export function defineBootstrap(command: Command, onStatus: (status: number) => void): void {
  command
    .description(
      'Runs a private DHT, through which shares and clones find each other without the public one. One machine that is ' +
        'always on is enough. Prints the addresses to join it by, and runs until Ctrl-C.'
    )
    .option('--port <number>', 'use five UDP ports in a row from this one (default: 49737)', parsePort)
    .option('--host <address>', 'listen only on this IPv4 address (default: all)')
    .option('--json', 'print the addresses as a JSON object')
    .option('-q, --quiet', 'print only the addresses and errors')
    .action(async (options: Options) => {
      const { port, host } = options
      const { bootstrap } = await import('../../index.ts')
      const dht = bootstrap(given({ port, host }))
      const signals = listenForSignals()
      const show = () => print(dht, options)
      try {
        const work = dht.ready().then(() => {
          show()
          dht.onMove(show)
          return forever()
        })
        work.catch(() => {}) // A signal may win the race first.
        onStatus(await Promise.race([work, signals.received]))
      } finally {
        await dht.close()
        signals.end()
      }
    })
  addExamples(
    command,
    [
      'p2psync bootstrap',
      'p2psync bootstrap --host 10.0.0.5 --port 50000',
      ['p2psync share ./photos --bootstrap 10.0.0.5:50000', 'on any machine that can reach it'],
      'p2psync clone <key> ./photos --bootstrap 10.0.0.5:50000'
    ],
    'The environment variable P2PSYNC_BOOTSTRAP=10.0.0.5:50000 does the same as --bootstrap. All machines must be able ' +
      'to reach the first address printed, and the five UDP ports (by default 49737 to 49741).'
  )
}

function print(dht: PrivateDht, { json, quiet }: Options): void {
  const addresses = dht.addresses.map(({ host, port }) => `${host}:${port}`)
  const [first, last] = dht.ports
  if (json) {
    process.stdout.write(`${showJson({ type: 'bootstrap', addresses, ports: { first, last } })}\n`)
    return
  }
  for (const address of addresses) process.stdout.write(`${address}\n`)
  if (quiet) return
  const lines = [
    `A private DHT is running on the UDP ports ${first} to ${last}. Give one of its addresses to share and clone:`,
    `  p2psync share <dir> --bootstrap ${addresses[0]}`,
    `  p2psync clone <key> <dir> --bootstrap ${addresses[0]}`
  ]
  for (const line of lines) process.stderr.write(`${line}\n`)
}
