import { setFlagsFromString } from 'node:v8'
import { type ErrorCode, SyncError } from '../../errors.ts'
import type { ClonedFolder, SharedFolder, SyncEvent } from '../../index.ts'
import type { CommonOptions } from '../options/options.ts'
import { exitStatus, exitStatusOf } from '../output/exit-status.ts'
import type { Output } from '../output/output.ts'
import { outputFor } from './choose-output.ts'
import { listenForSignals } from './signals.ts'

/** How long closing may take before the process exits without it, in milliseconds. */
const closeMsMax = 4500

/**
 * Runs a folder until `until` resolves with an exit status, until a signal to end, or until the folder fails for
 * good; then closes it.
 *
 * @param isShown which events are shown; all when left out
 * @returns the exit status
 */
export async function runFolder(
  folder: SharedFolder | ClonedFolder,
  options: CommonOptions,
  until: () => Promise<number>,
  isShown: (event: SyncEvent) => boolean = () => true
): Promise<number> {
  // By default, V8 lets the heap grow to a multiple of the live objects before it collects garbage. With 100,000
  // files this costs 80 MB, most of it during the first scan, which an earlier collection slows down.
  setFlagsFromString('--heap-growing-percent=25')
  const signals = listenForSignals()
  const output = await outputFor(options, folder)
  const unsubscribe = folder.subscribe((event) => {
    if (isShown(event)) output.show(event)
  })
  let status: number | undefined
  try {
    const work = folder.ready().then(until)
    work.catch(() => {}) // A signal may win the race first.
    // An event has already shown the error.
    const broken = folder.broken().catch(exitStatusOf)
    status = await Promise.race([work, signals.received, broken])
  } finally {
    await closeInTime(folder, output, () => status)
    unsubscribe()
    signals.end()
    output.end()
  }
  return status
}

/** Never resolves: for a command that runs until a signal to end. */
export function forever(): Promise<number> {
  // The timer keeps the process alive while nothing happens.
  return new Promise(() => setInterval(() => {}, 2 ** 30))
}

/**
 * For a command that ends: rejects at an error event, which stops the work as a whole. A command that follows a
 * folder doesn't end there: the folder resumes when the cause is gone.
 *
 * @param ignored errors for which the command waits all the same
 */
export function failure(folder: SharedFolder | ClonedFolder, ignored: readonly ErrorCode[] = []): Promise<never> {
  const failed = new Promise<never>((_, reject) => {
    folder.subscribe((event) => {
      if (event.type !== 'error' || event.code === 'UNEXPECTED' || ignored.includes(event.code)) return
      reject(new SyncError(event.code, event.message))
    })
  })
  failed.catch(() => {}) // The caller may await it later.
  return failed
}

async function closeInTime(
  folder: SharedFolder | ClonedFolder,
  output: Output,
  status: () => number | undefined
): Promise<void> {
  const timer = setTimeout(() => {
    output.end()
    process.stderr.write(
      'p2psync: closing took too long, so it was cut off. Nothing is lost: the next start scans everything\n'
    )
    process.exit(status() ?? exitStatus.failure)
  }, closeMsMax)
  try {
    await folder.close()
  } finally {
    clearTimeout(timer)
  }
}
