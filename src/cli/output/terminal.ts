import { SingleBar } from 'cli-progress'
import type { SyncEvent } from '../../index.ts'
import type { ActivitySource, Output } from './output.ts'
import { writeKey } from './output.ts'
import { linesOf } from './plain.ts'
import { showBytes, showCount, showMany, showPeers, showSeconds } from './text.ts'

type Progress = Extract<SyncEvent, { type: 'progress' }>

/** Shorter work, such as a saved file, shows no progress bar; in milliseconds. */
const barAfterMs = 400
/** How often the status line shows new rates, in milliseconds. */
const statusMs = 1000
const columnsDefault = 80
const barColumnsMax = 30
const barColumnsMin = 10
/** The width of the text beside the bar. */
const barTextColumns = 60

const phaseNames = { scan: 'Scanning', publish: 'Publishing', fetch: 'Fetching' } as const

/** Shows events on a terminal: lines that scroll, and beneath them a progress bar, or a status line. */
export function terminalOutput(source: ActivitySource, verbose: boolean): Output {
  const line = new StatusLine(source)
  // The status line says the same.
  const quietTypes: readonly SyncEvent['type'][] = verbose ? [] : ['published', 'applied', 'in-sync', 'peer']
  return {
    show: (event) => {
      if (event.type === 'progress') {
        line.progress(event)
        return
      }
      if (event.type === 'ready') line.above(() => writeKey(event))
      if (!quietTypes.includes(event.type)) line.print(linesOf(event, verbose))
      line.follow(event)
    },
    end: () => line.end()
  }
}

class StatusLine {
  readonly #source: ActivitySource
  readonly #stream = process.stderr
  #bar: SingleBar | undefined
  #phase: Progress['phase'] | undefined
  #phaseStartMs = 0
  #state = 'Starting'
  #facts = ''
  #before = { received: 0, sent: 0, atMs: performance.now() }
  #rates = { received: 0, sent: 0 }
  readonly #timer: NodeJS.Timeout

  constructor(source: ActivitySource) {
    this.#source = source
    this.#timer = setInterval(() => this.#tick(), statusMs)
    this.#timer.unref()
  }

  get #columns(): number {
    return this.#stream.columns ?? columnsDefault
  }

  /** Updates the status line after an event. */
  follow(event: SyncEvent): void {
    if (event.type === 'published' || event.type === 'applied') {
      const problems = event.type === 'applied' && event.problems > 0 ? ` · ${showMany(event.problems, 'problem')}` : ''
      this.#facts = `version ${event.version} · ${showMany(event.files, 'file')}, ${showBytes(event.bytes)}${problems}`
    }
    const state = stateAfter(event)
    if (state !== undefined) this.#state = state
    if (event.type === 'up-to-date' || event.type === 'applied' || event.type === 'error') this.#endBar()
    this.#draw()
  }

  progress(event: Progress): void {
    const nowMs = performance.now()
    if (event.phase !== this.#phase) {
      this.#endBar()
      this.#phase = event.phase
      this.#phaseStartMs = nowMs
    }
    if (this.#bar === undefined && nowMs - this.#phaseStartMs >= barAfterMs) this.#startBar(event)
    this.#updateBar(event)
  }

  /** Prints lines above the bar or the status line. */
  print(lines: readonly string[]): void {
    this.above(() => {
      for (const line of lines) this.#stream.write(`${line}\n`)
    })
  }

  above(write: () => void): void {
    this.#clear()
    write()
    this.#draw()
  }

  end(): void {
    clearInterval(this.#timer)
    this.#endBar()
    this.#clear()
  }

  #tick(): void {
    const nowMs = performance.now()
    const { received, sent } = this.#source.traffic
    const seconds = (nowMs - this.#before.atMs) / 1000
    this.#rates = {
      received: Math.max(0, received - this.#before.received) / seconds,
      sent: Math.max(0, sent - this.#before.sent) / seconds
    }
    this.#before = { received, sent, atMs: nowMs }
    this.#draw()
  }

  #startBar(event: Progress): void {
    const scanning = event.phase === 'scan'
    this.#clear()
    this.#bar = new SingleBar({
      stream: this.#stream,
      format: scanning ? '{phase} {counts}' : '{phase} {bar} {percentage}% · {counts} · {rate} · {left} left',
      barCompleteChar: '█',
      barIncompleteChar: '░',
      barsize: Math.max(barColumnsMin, Math.min(barColumnsMax, this.#columns - barTextColumns)),
      hideCursor: true,
      clearOnComplete: true,
      linewrap: false,
      gracefulExit: false
    })
    this.#bar.start(1, 0, this.#payload(event))
  }

  #updateBar(event: Progress): void {
    const [done, total] = shareOf(event)
    this.#bar?.setTotal(Math.max(total, 1))
    this.#bar?.update(done, this.#payload(event))
  }

  #payload(event: Progress): object {
    const [done, total] = shareOf(event)
    const seconds = (performance.now() - this.#phaseStartMs) / 1000
    const left = done > 0 ? showSeconds(((total - done) / done) * seconds) : '?'
    const files = showCount(event.files)
    const counts =
      event.phase === 'scan'
        ? `${files} paths`
        : `${files}/${showCount(event.filesTotal)} · ${showBytes(event.bytes)}/${showBytes(event.bytesTotal)}`
    return {
      phase: phaseNames[event.phase],
      counts,
      left,
      rate: `${showBytes(event.bytes / Math.max(seconds, 0.001))}/s`
    }
  }

  #endBar(): void {
    this.#bar?.stop()
    this.#bar = undefined
    this.#phase = undefined
  }

  #draw(): void {
    if (this.#bar !== undefined) return
    this.#clear()
    const { received, sent } = this.#rates
    const width = this.#columns - 1
    const { connections } = this.#source
    const traffic = `↑ ${showBytes(sent)}/s ↓ ${showBytes(received)}/s`
    const lineWith = (peers: string) =>
      [this.#state, this.#facts, peers, traffic].filter((part) => part !== '').join(' · ')
    const line = lineWith(showPeers(connections))
    // A narrow terminal leaves out how the peers are connected.
    this.#stream.write((line.length > width ? lineWith(showMany(connections.length, 'peer')) : line).slice(0, width))
  }

  #clear(): void {
    this.#stream.cursorTo(0)
    this.#stream.clearLine(0)
  }
}

function stateAfter(event: SyncEvent): string | undefined {
  switch (event.type) {
    case 'ready':
      return event.role === 'writer' ? 'Scanning' : 'Looking for peers'
    case 'up-to-date':
      return 'Published'
    case 'in-sync':
      return 'In sync'
    case 'applied':
      return 'Catching up'
    case 'error':
      return event.code === 'HALTED' ? 'Halted' : 'Waiting'
    case 'paused':
      return event.paused ? 'Paused' : 'Resumed'
    default:
      return undefined
  }
}

/** Done and total: in bytes if the total is known in bytes, else in files. */
function shareOf({ bytes, bytesTotal, files, filesTotal }: Progress): [done: number, total: number] {
  return bytesTotal > 0 ? [bytes, bytesTotal] : [files, filesTotal]
}
