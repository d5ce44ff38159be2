import { showJson } from './text.ts'

/** Writes to stdout, and waits where it is slower. Rejects when nobody reads it any more. */
export function print(bytes: string | Uint8Array): Promise<void> {
  if (process.stdout.destroyed || process.stdout.writableEnded) return Promise.reject(new ClosedOutput())
  gather()
  if (process.stdout.write(bytes)) return Promise.resolve()
  return new Promise((resolve, reject) => {
    const onDrain = () => {
      process.stdout.off('close', onClose)
      resolve()
    }
    const onClose = () => {
      process.stdout.off('drain', onDrain)
      reject(new ClosedOutput())
    }
    process.stdout.once('drain', onDrain)
    process.stdout.once('close', onClose)
  })
}

let isGathering = false

/** What is written before anything else can happen goes in one piece: each by itself costs more than to make it. */
function gather(): void {
  if (isGathering) return
  isGathering = true
  process.stdout.cork()
  process.nextTick(release)
}

function release(): void {
  if (!isGathering) return
  isGathering = false
  process.stdout.uncork()
}

// The end may come first.
process.once('exit', release)

/** Who read our output has ended: no reason to say anything. */
export class ClosedOutput extends Error {}

/** Writes a record as JSON, on a line of its own. */
export function printJson(record: object): Promise<void> {
  return print(`${showJson(record)}\n`)
}

/** Resolves when all that was written is with whoever reads it, or nobody reads it any more: an end would cut it off. */
export async function flushed(): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) {
    if (!stream.destroyed) await new Promise<void>((resolve) => stream.write('', () => resolve()))
  }
}
