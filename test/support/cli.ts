import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, lchownSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import type { SyncEvent } from '../../src/index.ts'
import type { Host } from './namespaces.ts'
import { until } from './until.ts'

/** The package's root, relative to the compiled tests. */
export const packageRoot = join(import.meta.dirname, '../../..')

const program = join(packageRoot, 'dist/bin/p2psync.js')

/** The owner of started commands, which stops them at its end: a test, or a benchmark. */
export type Scope = Pick<Assert, 'teardown'>

type EventOf<T extends SyncEvent['type']> = Extract<SyncEvent, { type: T }>

/** An aborted test doesn't stop its commands; none may outlive this process. */
const alive = new Map<ChildProcess, Command>()
process.once('exit', (status) => {
  for (const [child, command] of alive) {
    child.kill('SIGKILL')
    if (status !== 0) process.stderr.write(command.lastWords())
  }
})

const lastEvents = 12
const lastCharacters = 2000

/** The event in a line of JSON; the bytes of a printed file may resemble JSON, too. */
function parsed(line: string): SyncEvent | undefined {
  try {
    return JSON.parse(line) as SyncEvent
  } catch {
    return undefined
  }
}

/** A started command, with its output so far. */
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
    // Not by readline, which also splits at characters other than newlines.
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

  /** Its last output, to explain a test that failed while the command ran. */
  lastWords(): string {
    const events = this.events.slice(-lastEvents).map((event) => `#   ${JSON.stringify(event)}\n`)
    return `# still running: ${this.#args.join(' ')}\n${events.join('')}${this.stderr.slice(-lastCharacters)}\n`
  }

  get pid(): number {
    return this.#child.pid ?? -1
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Waits for the exit. @returns the exit status; -1 if a signal killed the command */
  async exit(): Promise<number> {
    await until(() => !this.running, { what: `the end of the command\n${this.stderr}` })
    await this.#closed
    return this.#child.exitCode ?? -1
  }

  /** Sends a signal, and resolves when the command has exited. */
  async kill(signal: NodeJS.Signals): Promise<number> {
    if (this.running) this.#child.kill(signal)
    return this.exit()
  }

  /** Waits for the first event of a type, from the `from`th event on, that `isIt` accepts. */
  async event<T extends SyncEvent['type']>(
    type: T,
    isIt: (event: EventOf<T>) => boolean = () => true,
    from = 0
  ): Promise<EventOf<T>> {
    let found: SyncEvent | undefined
    const isFound = () => {
      found = this.events.slice(from).find((event) => event.type === type && isIt(event as EventOf<T>))
      return found !== undefined || !this.running
    }
    await until(isFound, { what: `an event ${type}\n${this.stderr}` })
    if (found === undefined) throw new Error(`The command ended without an event ${type}\n${this.stderr}`)
    return found as EventOf<T>
  }
}

export interface StartOptions {
  readonly bootstrap?: string
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  /** Runs as an ordinary user, to whom modes apply; its files have to be given to that user by `giveToOrdinaryUser`. */
  readonly ordinary?: boolean
  /** Runs on a host of the test's own instead of this machine. Excludes `ordinary`. */
  readonly host?: Host
}

const isRoot = process.getuid?.() === 0
const nobody = 65534

/** Whether commands can be run as an ordinary user: for root this requires a package directory that others may read. */
export const canBeOrdinary =
  !isRoot || spawnSync(process.execPath, [program, '--version'], { uid: nobody, gid: nobody }).status === 0

/** Gives a directory and its contents to the user of `ordinary` commands. */
export function giveToOrdinaryUser(directory: string): string {
  if (!isRoot) return directory
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' }))
    lchownSync(join(directory, name), nobody, nobody)
  lchownSync(directory, nobody, nobody)
  return directory
}

/** A loopback port without a listener: no test may reach the public DHT. */
const unreachable = '127.0.0.1:9'

/** Directory of the machine-wide state of commands; each host has a subdirectory of its own. */
const machines = mkdtempSync(join(tmpdir(), 'p2psync-machines-'))
chmodSync(machines, 0o777)
process.once('exit', () => rmSync(machines, { recursive: true, force: true }))

function environmentOf({ bootstrap = unreachable, host }: StartOptions): NodeJS.ProcessEnv {
  // Tests must not send multicast on the networks of the machine that runs them.
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
