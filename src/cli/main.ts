import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { SyncError } from '../errors.ts'
import { addBootstrapCommand } from './commands/bootstrap.ts'
import { addCloneCommand } from './commands/clone.ts'
import { addDoctorCommand } from './commands/doctor.ts'
import { addIdCommand } from './commands/id.ts'
import { addLimitCommand } from './commands/limit.ts'
import { addScanCommand } from './commands/scan.ts'
import { addShareCommand } from './commands/share.ts'
import { addVerifyCommand } from './commands/verify.ts'
import { exitStatus, statusOf } from './exit-status.ts'
import { showJson, showLines, showName } from './text.ts'

/**
 * Runs the command line.
 *
 * @param argv as the process has it, with the program's name
 * @returns the exit status
 */
export async function main(argv: readonly string[]): Promise<number> {
  ignoreClosedPipes()
  let status: number = exitStatus.ok
  const program = createProgram((ended) => {
    status = ended
  })
  try {
    await program.parseAsync(argv)
    return status
  } catch (error) {
    return report(error, argv.includes('--json'))
  }
}

/** The commands, their options and their help. */
export function createProgram(onStatus: (status: number) => void): Command {
  const program = new Command('p2psync')
    .description('Peer-to-peer replicated folders on a signed append-only log. No server, no account.')
    .version(version(), '-V, --version')
    .showHelpAfterError('Try p2psync --help, or p2psync <command> --help.')
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(showLines(text)) })
    .addHelpText(
      'after',
      `
Examples:
  $ p2psync share ./photos           prints a key, then follows the directory
  $ p2psync clone <key> ./mirror     on any machine: rebuilds it, then follows

Exit status: 0 ok, 1 failure, 2 usage, 3 some paths had problems, 10 no such folder or state, 11 in use by
another process, 12 bad key, 13 no peer found in time, 14 safety halt, 15 damaged, 130 interrupted.`
    )
  addShareCommand(program, onStatus)
  addCloneCommand(program, onStatus)
  addScanCommand(program, onStatus)
  addVerifyCommand(program, onStatus)
  addLimitCommand(program)
  addIdCommand(program)
  addBootstrapCommand(program, onStatus)
  addDoctorCommand(program, onStatus)
  // Settings are inherited only by commands that are added by name, so each is told here.
  for (const command of program.commands) command.exitOverride()
  return program
}

function report(error: unknown, json: boolean): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitStatus.ok : exitStatus.usage
  const code = error instanceof SyncError ? error.code : 'UNEXPECTED'
  const message = error instanceof Error ? error.message : String(error)
  if (json) process.stdout.write(`${showJson({ type: 'error', code, message })}\n`)
  process.stderr.write(`p2psync: ${showName(message)} [${code}]\n`)
  if (code === 'UNEXPECTED' && error instanceof Error) process.stderr.write(`${showLines(String(error.stack))}\n`)
  return statusOf(error)
}

/** `p2psync share dir | head -1` closes our stdout: no reason to end. */
function ignoreClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
    })
  }
}

function version(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
