import { type Command, Option } from 'commander'
import type { Address, Check } from '../../index.ts'
import { addExamples } from '../manual/examples.ts'
import { parseAddresses, parsePort } from '../options/options.ts'
import { exitStatus } from '../output/exit-status.ts'
import { showJson, showMany, showName, wrap } from '../output/text.ts'

interface Options {
  readonly bootstrap?: readonly Address[]
  readonly lan: boolean
  readonly port?: number
  readonly json?: boolean
}

type Counts = Record<Check['state'], number>

export function addDoctorCommand(program: Command, onStatus: (status: number) => void): void {
  const command = program
    .command('doctor')
    .summary('test this machine and its network, and advise')
    .description(
      'Tests what p2psync depends on, on this machine and around it. Each line says ok, warning or failure, what was ' +
        'found, and what to do about it. Takes some seconds, and changes nothing.'
    )
    .argument('[key|dir]', 'the key of a folder, or a directory to look at')
    .addOption(
      new Option('--bootstrap <host:port,...>', 'test these nodes instead of the public DHT; none for no DHT')
        .env('P2PSYNC_BOOTSTRAP')
        .argParser((text) => (text.trim() === 'none' ? [] : parseAddresses(text)))
    )
    .option('--no-lan', 'send nothing to all on the local network (also: P2PSYNC_NO_LAN=1)')
    .option('--port <number>', 'the TCP port that is to be opened', parsePort)
    .option('--json', 'print each check to stdout as a JSON object, then a summary')
    .action(async (target: string | undefined, { bootstrap, lan, port, json }: Options) => {
      const counts: Counts = { ok: 0, warning: 0, failure: 0 }
      const { diagnose } = await import('../../index.ts')
      const checks = diagnose({
        noLan: !lan,
        ...(target === undefined ? {} : { target }),
        ...(bootstrap === undefined ? {} : { bootstrap }),
        ...(port === undefined ? {} : { port })
      })
      for await (const check of checks) {
        counts[check.state]++
        process.stdout.write(json ? `${showJson({ type: 'check', ...check })}\n` : linesOf(check))
      }
      process.stdout.write(json ? `${showJson(summaryOf(counts))}\n` : `\n${verdictOf(counts)}\n`)
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

const stateWidth = 9
const nameWidth = 16

/** A row of the table; what to do stands beneath it. */
function linesOf({ name, state, message, advice }: Check): string {
  const indent = stateWidth + nameWidth
  // Piped somewhere, each message stays on its line.
  const width = process.stdout.isTTY
    ? Math.max(40, (process.stdout.columns ?? 80) - 1 - indent)
    : Number.POSITIVE_INFINITY
  const rows = wrap(showName(message), width)
  if (advice !== undefined) {
    const [first = '', ...rest] = wrap(showName(advice), width - 2)
    rows.push(`→ ${first}`, ...rest.map((row) => `  ${row}`))
  }
  const head = state.padEnd(stateWidth) + name.padEnd(nameWidth)
  return rows.map((row, i) => `${i === 0 ? head : ' '.repeat(indent)}${row}\n`).join('')
}

function summaryOf({ ok, warning, failure }: Counts): object {
  return { type: 'summary', ok, warnings: warning, failures: failure }
}

function verdictOf({ warning, failure }: Counts): string {
  if (failure > 0) return `${showMany(failure, 'failure')}, ${showMany(warning, 'warning')}`
  return warning > 0 ? `Nothing failed; ${showMany(warning, 'warning')}` : 'All is well'
}
