import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, lchownSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import type { SyncEvent } from '../../src/index.ts'
import type { Host } from './namespaces.ts'
import { until } from './until.ts'

/** The package's root, seen from where tests are built to. */
export const packageRoot = join(import.meta.dirname, '../../..')

const program = join(packageRoot, 'dist/bin/p2psync.js')

/** What ends the commands that were started for it: a test, or a benchmark. */
export type Scope = Pick<Assert, 'teardown'>

type EventOf<T extends SyncEvent['type']> = Extract<SyncEvent, { type: T }>

/** A test that breaks off takes no time to end what it has started: nothing may go on for ever. */
const alive = new Map<ChildProcess, Command>()
process.once('exit', (status) => {
  for (const [child, command] of alive) {
    child.kill('SIGKILL')
    if (status !== 0) process.stderr.write(command.lastWords())
  }
})

const lastEvents = 12
const lastCharacters = 2000

/** What a line tells as JSON; a file's bytes may look like that too. */
function parsed(line: string): SyncEvent | undefined {
  try {
    return JSON.parse(line) as SyncEvent
  } catch {
    return undefined
  }
}

/** A command that was started, with what it has said so far. */
export class Command {
  readonly events: SyncEvent[] = []
  stdout = ''
  stderr = ''
  readonly #child: ChildProcess
  readonly #closed: Promise<unknown>

  readonly #args: readonly string[]

  constructor(t: Scope, file: string, args: readonly string[], options: StartOptions = {}) {
    this.#args = args
    const command = [process.execPath, file, ...args]
    const [executable, ...rest] = (options.host?.wrap(command) ?? command) as [string, ...string[]]
    this.#child = spawn(executable, rest, {
      env: { ...process.env, ...environmentOf(options), ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.ordinary === true && isRoot ? { uid: nobody, gid: nobody } : {})
    })
    this.#closed = once(this.#child, 'close')
    alive.set(this.#child, this)
    this.#child.once('exit', () => alive.delete(this.#child))
    const { stdout, stderr } = this.#child
    stderr?.on('data', (data: Buffer) => {
      this.stderr += data
    })
    let open = ''
    // Not by readline, for which some characters that are none end a line too.
    stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
      const lines = (open + text).split('\n')
      open = lines.pop() ?? ''
      for (const line of lines) {
        const event = line.startsWith('{"') ? parsed(line) : undefined
        if (event !== undefined) this.events.push(event)
      }
    })
    t.teardown(() => this.kill('SIGKILL'))
  }

  /** What it said last, for whoever asks why a test has failed while it ran. */
  lastWords(): string {
    const events = this.events.slice(-lastEvents).map((event) => `#   ${JSON.stringify(event)}\n`)
    return `# still at work: ${this.#args.join(' ')}\n${events.join('')}${this.stderr.slice(-lastCharacters)}\n`
  }

  get pid(): number {
    return this.#child.pid ?? -1
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Resolves with the exit status when it has ended; -1 when a signal killed it. */
  async exit(): Promise<number> {
    await until(() => !this.running, { what: `the end of the command\n${this.stderr}` })
    await this.#closed
    return this.#child.exitCode ?? -1
  }

  /** Ends it with a signal, and resolves when it is gone. */
  async kill(signal: NodeJS.Signals): Promise<number> {
    if (this.running) this.#child.kill(signal)
    return this.exit()
  }

  /** The first event of a type, from the `from`th event on, that `isIt` accepts; waits for it. */
  async event<T extends SyncEvent['type']>(
    type: T,
    isIt: (event: EventOf<T>) => boolean = () => true,
    from = 0
  ): Promise<EventOf<T>> {
    let found: SyncEvent | undefined
    const look = () => {
      found = this.events.slice(from).find((event) => event.type === type && isIt(event as EventOf<T>))
      return found !== undefined || !this.running
    }
    await until(look, { what: `an event ${type}\n${this.stderr}` })
    if (found === undefined) throw new Error(`The command ended without an event ${type}\n${this.stderr}`)
    return found as EventOf<T>
  }
}

export interface StartOptions {
  readonly bootstrap?: string
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  /** As an ordinary user, to whom modes mean something; what it needs has to be `own`. */
  readonly ordinary?: boolean
  /** Where to run it: a machine of the test's own instead of this one. Not as an ordinary user. */
  readonly host?: Host
}

const isRoot = process.getuid?.() === 0
const nobody = 65534

/** Whether commands can be run as an ordinary user: as root that takes a place that others may read. */
export const canBeOrdinary =
  !isRoot || spawnSync(process.execPath, [program, '--version'], { uid: nobody, gid: nobody }).status === 0

/** Gives a directory, with all in it, to the user as whom an `ordinary` command runs. */
export function own(directory: string): string {
  if (!isRoot) return directory
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' }))
    lchownSync(join(directory, name), nobody, nobody)
  lchownSync(directory, nobody, nobody)
  return directory
}

/** Loopback, a port where nobody is: no test may reach the public DHT. */
const unreachable = '127.0.0.1:9'

/** Where commands keep what is this machine's, and each host of its own what is that host's. */
const machines = mkdtempSync(join(tmpdir(), 'p2psync-machines-'))
chmodSync(machines, 0o777)
process.once('exit', () => rmSync(machines, { recursive: true, force: true }))

function environmentOf({ bootstrap = unreachable, host }: StartOptions): NodeJS.ProcessEnv {
  // Nothing may be sent by multicast on the networks of whoever runs the tests.
  if (host === undefined)
    return { P2PSYNC_BOOTSTRAP: bootstrap, P2PSYNC_NO_LAN: '1', XDG_STATE_HOME: join(machines, 'state') }
  const home = join(machines, host.name)
  mkdirSync(home, { recursive: true, mode: 0o700 })
  return { P2PSYNC_BOOTSTRAP: bootstrap, P2PSYNC_NO_LAN: '', XDG_STATE_HOME: home, XDG_RUNTIME_DIR: home }
}

/** Starts p2psync with these arguments. */
export function start(t: Scope, args: readonly string[], options: StartOptions = {}): Command {
  return new Command(t, program, args, options)
}

/** Starts `share` with --json and waits for its key. */
export async function startShare(
  t: Scope,
  directory: string,
  { args = [], ...options }: StartOptions & { readonly args?: readonly string[] }
): Promise<Command & { key: string }> {
  const command = start(t, ['share', directory, '--json', ...args], options)
  const { key } = await command.event('ready')
  return Object.assign(command, { key })
}

/** Starts `clone` with --json. */
export function startClone(
  t: Scope,
  key: string,
  directory: string,
  { args = [], ...options }: StartOptions & { readonly args?: readonly string[] }
): Command {
  return start(t, ['clone', key, directory, '--json', ...args], options)
}
