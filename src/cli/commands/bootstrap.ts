import type { Command } from 'commander'
import type { PrivateDht } from '../../index.ts'
import { addExamples } from '../manual/examples.ts'
import { parsePort } from '../options/options.ts'
import { showJson } from '../output/text.ts'
import { forever } from '../run/session.ts'
import { listenForSignals } from '../run/signals.ts'

interface Options {
  readonly port?: number
  readonly host?: string
  readonly json?: boolean
  readonly quiet?: boolean
}

export function addBootstrapCommand(program: Command, onStatus: (status: number) => void): void {
  const command = program
    .command('bootstrap')
    .summary('run a private DHT, independent of the public one')
    .description(
      'Runs a private DHT by which shares and clones find each other instead of by the public one. One on any ' +
        'machine that is always on is enough. Prints where it can be joined, and runs until Ctrl-C.'
    )
    .option('--port <number>', 'the first of five UDP ports in a row (default: 49737)', parsePort)
    .option('--host <address>', 'listen on this IPv4 address of this machine alone (default: all)')
    .option('--json', 'print the addresses to stdout as a JSON object')
    .option('-q, --quiet', 'print nothing but the addresses, and errors')
    .action(async ({ port, host, json, quiet }: Options) => {
      const { bootstrap } = await import('../../index.ts')
      const dht = bootstrap({ ...(port === undefined ? {} : { port }), ...(host === undefined ? {} : { host }) })
      const signals = listenForSignals()
      const show = () => print(dht, { json: json === true, quiet: quiet === true })
      try {
        const work = dht.ready().then(() => {
          show()
          dht.onMove(show)
          return forever()
        })
        work.catch(() => {}) // When a signal wins, nobody is left to hear of it.
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
      ['p2psync share ./photos --bootstrap 10.0.0.5:50000', 'on any machine that reaches it'],
      'p2psync clone <key> ./photos --bootstrap 10.0.0.5:50000'
    ],
    'P2PSYNC_BOOTSTRAP=10.0.0.5:50000 in the environment does the same as --bootstrap. All machines have to ' +
      'reach the first address that is printed, and the five UDP ports (with the default: 49737 to 49741).'
  )
}

function print(dht: PrivateDht, { json, quiet }: { readonly json: boolean; readonly quiet: boolean }): void {
  const addresses = dht.addresses.map(({ host, port }) => `${host}:${port}`)
  const [first, last] = dht.ports
  if (json) {
    process.stdout.write(`${showJson({ type: 'bootstrap', addresses, ports: { first, last } })}\n`)
    return
  }
  for (const address of addresses) process.stdout.write(`${address}\n`)
  if (quiet) return
  const lines = [
    `A private DHT runs here, on the UDP ports ${first} to ${last}. Give one of its addresses to share and clone:`,
    `  p2psync share <dir> --bootstrap ${addresses[0]}`,
    `  p2psync clone <key> <dir> --bootstrap ${addresses[0]}`
  ]
  for (const line of lines) process.stderr.write(`${line}\n`)
}
