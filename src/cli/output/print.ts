import type { Writable } from 'node:stream'
import { showJson } from './text.ts'

/** The reader of our output has ended, which is no failure of ours. */
export class ClosedOutput extends Error {}

/** Writes to stdout, and waits while it is full. @throws {ClosedOutput} */
export function print(bytes: string | Uint8Array): Promise<void> {
  return printer.print(bytes)
}

/** Writes a record to stdout as JSON, on a line of its own, and waits while it is full. @throws {ClosedOutput} */
export function printJson(record: object): Promise<void> {
  return print(`${showJson(record)}\n`)
}

/** Prints to a stream as fast as its reader reads. At most one buffer of the stream waits. */
export class Printer {
  readonly #stream: Writable
  #isGathering = false

  constructor(stream: Writable) {
    this.#stream = stream
  }

  /** Writes, and waits while the stream is full. @throws {ClosedOutput} */
  async print(bytes: string | Uint8Array): Promise<void> {
    const stream = this.#stream
    if (stream.destroyed || stream.writableEnded) throw new ClosedOutput()
    this.#gather()
    if (!stream.write(bytes)) await drained(stream)
  }

  /** Writes out the gathered lines. */
  release(): void {
    if (!this.#isGathering) return
    this.#isGathering = false
    this.#stream.uncork()
  }

  /** Lines printed in one turn of the event loop go out in one write: a write costs more than making a line. */
  #gather(): void {
    if (this.#isGathering) return
    this.#isGathering = true
    this.#stream.cork()
    process.nextTick(() => this.release())
  }
}

const printer = new Printer(process.stdout)
// The process may end before the next tick.
process.once('exit', () => printer.release())

function drained(stream: Writable): Promise<void> {
  return new Promise((resolve, reject) => {
    const onDrain = () => {
      stream.off('close', onClose)
      resolve()
    }
    const onClose = () => {
      stream.off('drain', onDrain)
      reject(new ClosedOutput())
    }
    stream.once('drain', onDrain)
    stream.once('close', onClose)
  })
}

/** How much a reader may be behind before events are dropped, in bytes: minutes of them. */
const unreadBytesMax = 8 * 1024 * 1024

/**
 * Writes events, which come whether anybody reads them or not. A reader that falls too far behind misses events
 * rather than fill our memory; the first line that it can take again is preceded by a line that tells how many.
 */
export class EventWriter {
  readonly #stream: Writable
  readonly #describeLoss: (events: number) => string
  readonly #bytesMax: number
  #dropped = 0

  constructor(stream: Writable, describeLoss: (events: number) => string, bytesMax = unreadBytesMax) {
    this.#stream = stream
    this.#describeLoss = describeLoss
    this.#bytesMax = bytesMax
  }

  write(line: string): void {
    if (this.#stream.writableLength >= this.#bytesMax) {
      this.#dropped++
      return
    }
    if (this.#dropped > 0) this.#stream.write(`${this.#describeLoss(this.#dropped)}\n`)
    this.#dropped = 0
    this.#stream.write(`${line}\n`)
  }
}

/** Resolves when the readers have all output, or have ended: `process.exit` would cut it off. */
export async function flushed(): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) {
    if (!stream.destroyed) await new Promise<void>((resolve) => stream.write('', () => resolve()))
  }
}
