import type { WatchRecord } from '../../src/query/watch.ts'
import type { Command } from './cli.ts'

type Change = Extract<WatchRecord, { readonly type: 'added' | 'changed' | 'removed' | 'moved' }>

/** The records of a `watch --json` so far, replayed as they arrive. */
export class Watched {
  readonly command: Command
  /** The watched directory; empty for the folder itself. */
  readonly directory: string
  /** The replayed tree: the hash of each file, the kind of each directory or link. */
  readonly tree = new Map<string, string>()
  /** The changes, each with its version. A move counts as a removal and an addition. */
  readonly changes: string[] = []
  /** How often each change was reported, over all versions. */
  readonly counts = new Map<string, number>()
  /** Violations: records that are impossible if each change is reported once and in order. */
  readonly faults: string[] = []
  /** The version of the listing. */
  start: number | undefined
  #version = 0
  #read = 0

  constructor(command: Command, directory = '') {
    this.command = command
    this.directory = directory
  }

  /** Replays the records since the last call. */
  read(): this {
    const records = this.command.events as unknown as readonly WatchRecord[]
    for (; this.#read < records.length; this.#read++) this.#take(records[this.#read] as WatchRecord)
    return this
  }

  /** Whether it has reported each of these changes, as far as it watches their paths. */
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
      if (record.entries !== this.tree.size) this.faults.push(`${record.entries} listed, ${this.tree.size} replayed`)
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
      this.changes.push(`${version} ${line}`)
      this.counts.set(line, (this.counts.get(line) ?? 0) + 1)
    }
  }
}

/** The effect of a change, a line for each path: none for directories, whose times change with their contents. */
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
