import type { WatchRecord } from '../../src/query/watch.ts'
import type { Command } from './cli.ts'

type Change = Extract<WatchRecord, { readonly type: 'added' | 'changed' | 'removed' | 'moved' }>

/** What a `watch --json` has told so far, replayed as it comes. */
export class Watched {
  readonly command: Command
  /** The directory that is watched; empty for the folder itself. */
  readonly directory: string
  /** Hash of each file that is there by what was told; of directories and links their kind. */
  readonly tree = new Map<string, string>()
  /** What was told to have changed, each with its version. A move is what it comes to. */
  readonly told: string[] = []
  /** How often each was told, whatever the version. */
  readonly counts = new Map<string, number>()
  /** What can't be so, had all been told once and in order. */
  readonly faults: string[] = []
  /** The version that was listed. */
  start: number | undefined
  #version = 0
  #read = 0

  constructor(command: Command, directory = '') {
    this.command = command
    this.directory = directory
  }

  /** Takes what was told since it was last asked. */
  read(): this {
    const records = this.command.events as unknown as readonly WatchRecord[]
    for (; this.#read < records.length; this.#read++) this.#take(records[this.#read] as WatchRecord)
    return this
  }

  /** Whether it was told each of these, as far as it watches their paths. */
  has(lines: readonly string[]): boolean {
    this.read()
    return lines.every((line) => this.counts.has(line) || !this.concerns(line.split(' ')[1] as string))
  }

  concerns(path: string): boolean {
    return this.directory === '' || path === this.directory || path.startsWith(`${this.directory}/`)
  }

  #take(record: WatchRecord): void {
    if (record.type === 'version') {
      if (record.version <= this.#version) this.faults.push(`version ${record.version} after ${this.#version}`)
      this.#version = record.version
    } else if (record.type === 'entry') {
      if (this.start !== undefined || this.tree.has(record.path)) this.faults.push(`listed again: ${record.path}`)
      this.tree.set(record.path, contentOf(record))
    } else if (record.type === 'listed') {
      if (record.entries !== this.tree.size) this.faults.push(`${record.entries} listed, ${this.tree.size} told`)
      this.start = record.version
    } else if ('path' in record) this.#change(record)
    else this.faults.push(JSON.stringify(record))
  }

  #change(record: Change): void {
    const { type, path, version } = record
    if (this.start === undefined || version !== this.#version) this.faults.push(`untimely: ${type} ${path}`)
    if (this.concerns(path)) {
      const isNew = type === 'added' || type === 'moved'
      if (isNew === this.tree.has(path)) this.faults.push(`out of order: ${type} ${path}`)
      if (type === 'removed') this.tree.delete(path)
      else this.tree.set(path, contentOf(record))
    }
    if (type === 'moved' && this.concerns(record.from) && !this.tree.delete(record.from)) {
      this.faults.push(`moved from nowhere: ${record.from}`)
    }
    for (const line of linesOf(record)) {
      if (!this.concerns(line.split(' ')[1] as string)) continue
      this.told.push(`${version} ${line}`)
      this.counts.set(line, (this.counts.get(line) ?? 0) + 1)
    }
  }
}

/** What a change comes to, a line for each path: nothing for directories, whose times change with all that is in them. */
export function linesOf(record: Change): readonly string[] {
  const { type, kind, path } = record
  if (kind === 'directory') return []
  if (type === 'removed') return [`- ${path}`]
  if (type === 'changed') return [`~ ${path} ${contentOf(record)}`]
  const added = `+ ${path} ${contentOf(record)}`
  return type === 'moved' ? [`- ${record.from}`, added] : [added]
}

function contentOf({ kind, hash }: { readonly kind: string; readonly hash?: string }): string {
  return hash ?? kind
}
