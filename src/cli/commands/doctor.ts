import { type Command, Option } from 'commander'
import type { Address, Check } from '../../index.ts'
import { addExamples } from '../manual/examples.ts'
import { given } from '../options/options.ts'
import { parseAddresses, parsePort } from '../options/parse.ts'
import { exitStatus } from '../output/exit-status.ts'
import { print, printJson } from '../output/print.ts'
import { showMany, showName, wrap } from '../output/text.ts'

interface Options {
  readonly bootstrap?: readonly Address[]
  readonly lan: boolean
  readonly port?: number
  readonly json?: boolean
}

type Counts = Record<Check['state'], number>

export function defineDoctor(command: Command, onStatus: (status: number) => void): void {
  command
    .description(
      'Tests this machine and its network for everything that p2psync needs. Each line shows ok, warning or failure, ' +
        'the finding, and advice. It takes some seconds and changes nothing.'
    )
    .argument('[key|dir]', 'also test the peers of a key, or a directory')
    .addOption(
      new Option('--bootstrap <host:port,...>', 'test these nodes, not the public DHT; none for no DHT')
        .env('P2PSYNC_BOOTSTRAP')
        .argParser(parseAddresses)
    )
    .option('--no-lan', 'do not send multicast (also: P2PSYNC_NO_LAN=1)')
    .option('--port <number>', 'test whether this TCP port can be opened', parsePort)
    .option('--json', 'print each check as JSON, one object a line, then a summary')
    .action(async (target: string | undefined, { bootstrap, lan, port, json }: Options) => {
      const counts: Counts = { ok: 0, warning: 0, failure: 0 }
      const { diagnose } = await import('../../index.ts')
      for await (const check of diagnose({ noLan: !lan, ...given({ target, bootstrap, port }) })) {
        counts[check.state]++
        await (json ? printJson({ type: 'check', ...check }) : print(linesOf(check)))
      }
      await (json ? printJson(summaryOf(counts)) : print(`\n${verdictOf(counts)}\n`))
      onStatus(counts.failure > 0 ? exitStatus.failure : exitStatus.ok)
    })
  addExamples(
    command,
    [
      'p2psync doctor',
      'p2psync doctor ./photos',
      'p2psync doctor --bootstrap 10.0.0.5:49737 --port 7000',
      'p2psync doctor --json | grep failure'
    ],
    'Exit status: 0 when nothing failed, 1 otherwise; 10 no such directory, 12 bad key.'
  )
}

const stateColumns = 9
const nameColumns = 16

/** A row of the table, with the advice beneath it. */
function linesOf({ name, state, message, advice }: Check): string {
  const indent = stateColumns + nameColumns
  // In a pipe, each message is one line, for tools that read lines.
  const columns = process.stdout.isTTY
    ? Math.max(40, (process.stdout.columns ?? 80) - 1 - indent)
    : Number.POSITIVE_INFINITY
  const rows = wrap(showName(message), columns)
  if (advice !== undefined) {
    const [first = '', ...rest] = wrap(showName(advice), columns - 2)
    rows.push(`→ ${first}`, ...rest.map((row) => `  ${row}`))
  }
  const head = state.padEnd(stateColumns) + name.padEnd(nameColumns)
  return rows.map((row, i) => `${i === 0 ? head : ' '.repeat(indent)}${row}\n`).join('')
}

function summaryOf({ ok, warning, failure }: Counts): object {
  return { type: 'summary', ok, warnings: warning, failures: failure }
}

function verdictOf({ warning, failure }: Counts): string {
  if (failure > 0) return `${showMany(failure, 'failure')}, ${showMany(warning, 'warning')}`
  return warning > 0 ? `Nothing failed; ${showMany(warning, 'warning')}` : 'No problems found'
}
