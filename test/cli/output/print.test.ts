import { Writable } from 'node:stream'
import { test } from 'brittle'
import { ClosedOutput, EventWriter, Printer } from '../../../src/cli/output/print.ts'

/** A stream whose reader takes a write only when told to. */
class SlowReader extends Writable {
  readonly writes: string[] = []
  #waiting: (() => void)[] = []
  #isReading = false

  constructor(highWaterMark: number) {
    super({ highWaterMark, decodeStrings: false })
  }

  get text(): string {
    return this.writes.join('')
  }

  read(): void {
    this.#isReading = true
    for (const done of this.#waiting.splice(0)) done()
  }

  override _write(chunk: string | Uint8Array, _: BufferEncoding, done: () => void): void {
    this.#take([chunk], done)
  }

  override _writev(chunks: { readonly chunk: string | Uint8Array }[], done: () => void): void {
    this.#take(
      chunks.map(({ chunk }) => chunk),
      done
    )
  }

  #take(chunks: readonly (string | Uint8Array)[], done: () => void): void {
    this.writes.push(chunks.map(String).join(''))
    if (this.#isReading) done()
    else this.#waiting.push(done)
  }
}

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve))

test('lines printed in one turn go out in one write', async (t) => {
  const stream = new SlowReader(1000)
  stream.read()
  const printer = new Printer(stream)
  await printer.print('a\n')
  await printer.print('b\n')
  t.alike(stream.writes, [], 'nothing before the turn ends')
  await nextTurn()
  t.alike(stream.writes, ['a\nb\n'])
})

test('printing waits for a slow reader', async (t) => {
  const stream = new SlowReader(4)
  const printer = new Printer(stream)
  let isPrinted = false
  const printed = printer.print('longer than the buffer').then(() => {
    isPrinted = true
  })
  await nextTurn()
  t.absent(isPrinted)
  stream.read()
  await printed
  t.is(stream.text, 'longer than the buffer')
})

test('printing fails when the reader has ended', async (t) => {
  const stream = new SlowReader(4)
  const printer = new Printer(stream)
  const printed = printer.print('longer than the buffer')
  stream.destroy()
  const failureOf = (promise: Promise<void>) => promise.then(() => undefined).catch((error: unknown) => error)
  t.ok((await failureOf(printed)) instanceof ClosedOutput, 'while it waits')
  t.ok((await failureOf(printer.print('more'))) instanceof ClosedOutput, 'afterwards')
})

test('release writes what the end of the process would cut off', async (t) => {
  const stream = new SlowReader(1000)
  const printer = new Printer(stream)
  printer.print('last').catch(() => {})
  printer.release()
  t.is(stream.text, 'last')
})

test('a reader that is too far behind misses events, and learns how many', async (t) => {
  const stream = new SlowReader(1)
  const writer = new EventWriter(stream, (events) => `${events} dropped`, 10)
  for (let i = 0; i < 20; i++) writer.write(`event ${i}`)
  t.ok(stream.writableLength <= 20, `${stream.writableLength} bytes wait`)
  stream.read()
  await nextTurn()
  writer.write('the next')
  await nextTurn()
  t.is(stream.text, 'event 0\nevent 1\n18 dropped\nthe next\n')
})
