import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { SyncError } from '../errors.ts'
import { addCommands, loadCommand } from './commands.ts'
import { addExamples } from './manual/examples.ts'
import { guideList } from './manual/guide-list.ts'
import { helpStyle } from './manual/help-style.ts'
import { exitStatus, exitStatusOf, statusTexts } from './output/exit-status.ts'
import { ClosedOutput, flushed } from './output/print.ts'
import { showJson, showLines, showName } from './output/text.ts'

/**
 * Runs the command line.
 *
 * @param argv as the process has it, with the program's name
 * @returns the exit status
 */
export async function main(argv: readonly string[]): Promise<number> {
  ignoreClosedPipes()
  let status: number = exitStatus.ok
  try {
    const program = createProgram((ended) => {
      status = ended
    })
    // `help ls` shows a command without running it, so nothing else loads its definition.
    const [, , name, topic] = argv
    const named = name === 'help' ? program.commands.find((command) => command.name() === topic) : undefined
    if (named !== undefined) await loadCommand(named)
    await program.parseAsync(argv)
    return status
  } catch (error) {
    return report(error, argv.includes('--json'))
  } finally {
    await flushed()
  }
}

/** The program with the names and summaries of its commands; `loadCommands` adds the rest. */
export function createProgram(onStatus: (status: number) => void): Command {
  const program = new Command('p2psync')
    .description('Peer-to-peer replicated folders on a signed append-only log. No server, no account.')
    .version(version(), '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show this help')
    .configureHelp(helpStyle)
    .showHelpAfterError('Try p2psync --help, or p2psync <command> --help.')
    .exitOverride()
    // `help` is a command of ours: it prints guides too.
    .helpCommand(false)
    // A command may have an option of the same name.
    .enablePositionalOptions()
    .configureOutput({ outputError: (text, write) => write(showLines(text)) })
  addCommands(program, onStatus)
  program.addHelpText('after', `\n${guidesHelp()}`)
  addExamples(
    program,
    [
      ['p2psync share ./photos', 'prints a key, then follows the directory'],
      ['p2psync clone <key> ./mirror', 'on any other machine: mirrors the directory, then follows it']
    ],
    `Exit status: ${statusTexts.map(([status, meaning]) => `${status} ${meaning}`).join(', ')}.`
  )
  return program
}

/** The guides, as the help lists them. */
function guidesHelp(): string {
  const width = Math.max(...guideList.map(([name]) => name.length))
  return ['Guides (p2psync help <topic>):', ...guideList.map(([name, it]) => `  ${name.padEnd(width)}  ${it}`)].join(
    '\n'
  )
}

function report(error: unknown, json: boolean): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitStatus.ok : exitStatus.usage
  if (error instanceof ClosedOutput) return exitStatus.ok
  const code = error instanceof SyncError ? error.code : 'UNEXPECTED'
  const message = error instanceof Error ? error.message : String(error)
  if (json) process.stdout.write(`${showJson({ type: 'error', code, message })}\n`)
  process.stderr.write(`p2psync: ${showName(message)} [${code}]\n`)
  if (code === 'UNEXPECTED' && error instanceof Error) process.stderr.write(`${showLines(String(error.stack))}\n`)
  return exitStatusOf(error)
}

/** `p2psync share dir | head -1` closes our stdout; the folder goes on. */
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
