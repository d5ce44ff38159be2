import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { SyncEvent } from '../../src/index.ts'
import { type Command, type Scope, startClone, startShare } from '../support/cli.ts'

/** The cost of a piece of work. */
export interface Cost {
  readonly seconds: number
  /** Processor time of both sides, in seconds. */
  readonly cpuSeconds: number
  /** Peak memory of the larger side since its start, in megabytes. */
  readonly peakMb: number
  /** Growth of the log, in megabytes: the bytes sent over the wire, entries excluded. */
  readonly storedMb: number
  /** Disk space of store and state of both sides, in megabytes. */
  readonly diskMb: number
}

const options = { bootstrap: 'none' } as const

/** A shared folder and its mirror, each a process of its own on this machine. */
export class Pair {
  readonly source: string
  readonly mirror: string
  readonly #scope: Scope
  #sides: readonly [writer: Command & { key: string }, reader: Command] | undefined
  #cpuBefore = 0

  constructor(scope: Scope, home: string) {
    this.source = join(home, 'source')
    this.mirror = join(home, 'mirror')
    this.#scope = scope
    mkdirSync(this.source, { recursive: true })
    scope.teardown(() => rmSync(home, { recursive: true, force: true }))
  }

  /** Starts both sides, and waits until the mirror is in sync. */
  async start(): Promise<Cost> {
    const startMs = performance.now()
    const writer = await startShare(this.#scope, this.source, options)
    const reader = startClone(this.#scope, writer.key, this.mirror, options)
    this.#sides = [writer, reader]
    this.#cpuBefore = 0
    const { version, fork } = await writer.event('up-to-date')
    await reader.event('in-sync', (event) => event.version === version && event.fork === fork)
    return this.#cost(startMs, 0)
  }

  /** Changes the folder, and waits until the mirror has followed. */
  async follow(act: () => void): Promise<Cost> {
    const [writer, reader] = this.#both()
    const [fromWriter, fromReader] = [writer.events.length, reader.events.length]
    this.#cpuBefore = cpuSecondsOf(writer) + cpuSecondsOf(reader)
    const startMs = performance.now()
    act()
    const published = await writer.event('published', () => true, fromWriter)
    await reader.event('applied', ({ version }) => version >= published.version, fromReader)
    // A change that takes a while is more than one version.
    const { version, fork } = await writer.event('up-to-date', () => true, writer.events.indexOf(published))
    await reader.event('in-sync', (event) => event.version >= version && event.fork === fork, fromReader)
    return this.#cost(startMs, fromWriter)
  }

  async stop(): Promise<void> {
    for (const side of [...this.#both()].reverse()) await side.kill('SIGTERM')
  }

  #both(): readonly [Command, Command] {
    if (this.#sides === undefined) throw new Error('Not started')
    return this.#sides
  }

  #cost(startMs: number, fromWriter: number): Cost {
    const seconds = (performance.now() - startMs) / 1000
    const [writer, reader] = this.#both()
    const stored = (event: SyncEvent) => (event.type === 'published' ? event.stored : 0)
    return {
      seconds,
      cpuSeconds: cpuSecondsOf(writer) + cpuSecondsOf(reader) - this.#cpuBefore,
      peakMb: Math.max(peakMbOf(writer), peakMbOf(reader)),
      storedMb: writer.events.slice(fromWriter).reduce((sum, event) => sum + stored(event), 0) / 1e6,
      diskMb: [this.source, this.mirror].reduce((sum, folder) => sum + diskBytes(join(folder, '.p2psync')), 0) / 1e6
    }
  }
}

/** Linux counts in hundredths of a second; elsewhere the result is 0. */
function cpuSecondsOf({ pid }: Command): number {
  const fields = read(`/proc/${pid}/stat`).split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / 100
}

function peakMbOf({ pid }: Command): number {
  return (Number(/VmHWM:\s+(\d+)/.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) * 1024) / 1e6
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** Disk space of a directory in bytes, holes excluded. */
function diskBytes(directory: string): number {
  let bytes = 0
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    bytes += (statSync(join(directory, name), { throwIfNoEntry: false })?.blocks ?? 0) * 512
  }
  return bytes
}
