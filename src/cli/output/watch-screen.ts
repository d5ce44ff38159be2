import { emitKeypressEvents } from 'node:readline'
import type { ChangeRecord, EntryFields } from '../../query/records.ts'
import type { WatchRecord } from '../../query/watch.ts'
import { Screen } from './screen.ts'
import { isNews, marks, showEntry, showShortTime } from './show-entries.ts'
import { cut, showBytes, showCount, showMany, showName } from './text.ts'

interface Row {
  readonly entry: EntryFields
  /** The last change, and when it came. */
  readonly change?: ChangeRecord
  readonly changedMs: number
}

/** How long a change is highlighted, in milliseconds. */
const freshMs = 5000
const drawMs = 100
/** Rows of the screen besides entries: the title, a rule, and the help. */
const otherRows = 3
const [bold, dim, inverse, plain] = ['\x1b[1m', '\x1b[2m', '\x1b[7m', '\x1b[0m'] as const

/** A live list of a folder: the last changes first, then the other entries by time, newest first. */
export class WatchScreen {
  readonly #screen = new Screen()
  readonly #where: string
  readonly #rows = new Map<string, Row>()
  readonly #onEnd: () => void
  #sorted: readonly Row[] | undefined
  #version = 0
  #timeMs = 0
  #files = 0
  #bytes = 0
  #changes = 0
  #isListed = false
  #top = 0
  readonly #timer: NodeJS.Timeout

  /** @param onEnd called when the user ends the list */
  constructor(where: string, onEnd: () => void) {
    this.#where = where
    this.#onEnd = onEnd
    this.#timer = setInterval(() => this.#draw(), drawMs)
    if (process.stdin.isTTY) {
      emitKeypressEvents(process.stdin)
      process.stdin.setRawMode(true)
      process.stdin.on('keypress', this.#onKey)
      process.stdin.resume()
    }
    this.#draw()
  }

  add(record: WatchRecord): void {
    switch (record.type) {
      case 'version':
        this.#version = record.version
        this.#timeMs = record.timeMs
        this.#files = record.files
        this.#bytes = record.bytes
        break
      case 'entry':
        this.#put({ entry: record, changedMs: 0 })
        break
      case 'listed':
        this.#isListed = true
        break
      case 'rewound':
        break
      default:
        if (!isNews(record)) return
        this.#changes++
        if (record.type === 'moved') this.#rows.delete(record.from)
        this.#put({ entry: record, change: record, changedMs: Date.now() })
    }
  }

  close(): void {
    clearInterval(this.#timer)
    if (process.stdin.isTTY) {
      process.stdin.off('keypress', this.#onKey)
      process.stdin.setRawMode(false)
      process.stdin.pause()
    }
    this.#screen.close()
  }

  readonly #onKey = (_: string | undefined, key: { readonly name?: string; readonly ctrl?: boolean }): void => {
    const page = Math.max(1, this.#screen.rows - otherRows)
    const steps: Readonly<Record<string, number>> = {
      up: -1,
      k: -1,
      down: 1,
      j: 1,
      pageup: -page,
      pagedown: page,
      space: page
    }
    if (key.name === 'q' || key.name === 'escape' || (key.ctrl && key.name === 'c')) this.#onEnd()
    else if (key.name === 'home' || key.name === 'g') this.#top = 0
    else if (key.name === 'end') this.#top = this.#rows.size
    else this.#top += steps[key.name ?? ''] ?? 0
    this.#draw()
  }

  #put(row: Row): void {
    this.#rows.delete(row.entry.path)
    this.#rows.set(row.entry.path, row)
    this.#sorted = undefined
  }

  #draw(): void {
    const { columns, rows } = this.#screen
    this.#sorted ??= [...this.#rows.values()].sort(byNews)
    const room = Math.max(1, rows - otherRows)
    this.#top = Math.max(0, Math.min(this.#top, this.#sorted.length - room))
    const list = this.#sorted.slice(this.#top, this.#top + room).map((row) => lineOf(row, columns))
    const blank = Array.from({ length: room - list.length }, () => '')
    this.#screen.draw([...this.#title(columns), ...list, ...blank, this.#help(columns)])
  }

  #title(columns: number): readonly string[] {
    const where = cut(showName(this.#where), Math.max(10, Math.min(40, columns - 50)))
    const facts = this.#isListed
      ? `version ${this.#version} · ${showShortTime(this.#timeMs)} · ${showMany(this.#files, 'file')}, ${showBytes(this.#bytes)}`
      : 'looking for peers…'
    return [`${bold}${cut(`${where} · ${facts}`, columns)}${plain}`, `${dim}${'─'.repeat(columns)}${plain}`]
  }

  #help(columns: number): string {
    const end = Math.min(this.#rows.size, this.#top + this.#screen.rows - otherRows)
    const range =
      this.#rows.size === 0 ? '' : `${showCount(this.#top + 1)}–${showCount(end)} of ${showCount(this.#rows.size)} · `
    return `${dim}${cut(`${range}${showMany(this.#changes, 'change')} seen · ↑ ↓ scroll · q ends`, columns)}${plain}`
  }
}

/** By change, then by minute, both newest first, then by name: the list shows minutes, so a finer order would look random. */
function byNews(a: Row, b: Row): number {
  const minutes = minuteOf(b) - minuteOf(a)
  return b.changedMs - a.changedMs || minutes || (a.entry.path < b.entry.path ? -1 : 1)
}

function minuteOf({ entry }: Row): number {
  return Math.floor(entry.mtimeMs / 60_000)
}

function lineOf({ entry, change, changedMs }: Row, columns: number): string {
  const mark = change === undefined ? ' ' : marks[change.type]
  const size = entry.kind === 'file' ? showBytes(entry.size ?? 0) : ''
  const time = showShortTime(change === undefined ? entry.mtimeMs : changedMs)
  const from = change?.type === 'moved' ? ` (from ${change.from})` : ''
  const text = `${mark} ${time} ${size.padStart(8)}  ${showName(showEntry(entry, entry.path) + from)}`
  const line = cut(text, columns)
  if (change?.type === 'removed') return `${dim}${line}${plain}`
  return Date.now() - changedMs < freshMs ? `${inverse}${line}${plain}` : line
}
