import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { SyncError } from '../errors.ts'
import { addBootstrapCommand } from './commands/bootstrap.ts'
import { addCatCommand } from './commands/cat.ts'
import { addCloneCommand } from './commands/clone.ts'
import { addCompletionCommand } from './commands/completion.ts'
import { addDiffCommand } from './commands/diff.ts'
import { addDoctorCommand } from './commands/doctor.ts'
import { addGcCommand } from './commands/gc.ts'
import { addGetCommand } from './commands/get.ts'
import { addIdCommand } from './commands/id.ts'
import { addInspectCommand } from './commands/inspect.ts'
import { addLimitCommand } from './commands/limit.ts'
import { addLogCommand } from './commands/log.ts'
import { addLsCommand } from './commands/ls.ts'
import { addManCommand } from './commands/man.ts'
import { addPauseCommands } from './commands/pause.ts'
import { addPeersCommand } from './commands/peers.ts'
import { addRestoreCommand } from './commands/restore.ts'
import { addRevertCommand } from './commands/revert.ts'
import { addScanCommand } from './commands/scan.ts'
import { addSelectCommand } from './commands/select.ts'
import { addShareCommand } from './commands/share.ts'
import { addStatusCommand } from './commands/status.ts'
import { addVerifyCommand } from './commands/verify.ts'
import { addWaitCommand } from './commands/wait.ts'
import { addWatchCommand } from './commands/watch.ts'
import { addExamples } from './examples.ts'
import { exitStatus, statusOf, statusTexts } from './exit-status.ts'
import { helpStyle } from './help-style.ts'
import { ClosedOutput, flushed } from './print.ts'
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
  } finally {
    await flushed()
  }
}

/** The commands, their options and their help. */
export function createProgram(onStatus: (status: number) => void): Command {
  const program = new Command('p2psync')
    .description('Peer-to-peer replicated folders on a signed append-only log. No server, no account.')
    .version(version(), '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show this help')
    .configureHelp(helpStyle)
    .showHelpAfterError('Try p2psync --help, or p2psync <command> --help.')
    .exitOverride()
    // A command may have an option of the same name.
    .enablePositionalOptions()
    .configureOutput({ outputError: (text, write) => write(showLines(text)) })

  // In the order in which a user meets them.
  program.commandsGroup('Sharing:')
  addShareCommand(program, onStatus)
  addCloneCommand(program, onStatus)
  addSelectCommand(program)
  addScanCommand(program, onStatus)
  addPauseCommands(program, onStatus)

  program.commandsGroup('Looking:')
  addStatusCommand(program, onStatus)
  addLsCommand(program, onStatus)
  addWatchCommand(program, onStatus)
  addLogCommand(program, onStatus)
  addDiffCommand(program, onStatus)

  program.commandsGroup('Going back:')
  addCatCommand(program, onStatus)
  addGetCommand(program, onStatus)
  addRestoreCommand(program, onStatus)
  addRevertCommand(program, onStatus)

  program.commandsGroup('Looking after:')
  addWaitCommand(program, onStatus)
  addVerifyCommand(program, onStatus)
  addGcCommand(program, onStatus)
  addInspectCommand(program, onStatus)

  program.commandsGroup('Network:')
  addPeersCommand(program, onStatus)
  addLimitCommand(program)
  addIdCommand(program)
  addBootstrapCommand(program, onStatus)
  addDoctorCommand(program, onStatus)

  program.commandsGroup('Help:').helpCommand('help [command]', 'show the help of a command')
  addCompletionCommand(program)
  addManCommand(program)

  addExamples(
    program,
    [
      ['p2psync share ./photos', 'prints a key, then follows the directory'],
      ['p2psync clone <key> ./mirror', 'on any machine: rebuilds it, then follows']
    ],
    `Exit status: ${statusTexts.map(([status, meaning]) => `${status} ${meaning}`).join(', ')}.`
  )
  // Settings are inherited only by commands that are added by name, so each is told here.
  for (const command of program.commands) command.exitOverride()
  return program
}

function report(error: unknown, json: boolean): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitStatus.ok : exitStatus.usage
  if (error instanceof ClosedOutput) return exitStatus.ok
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
