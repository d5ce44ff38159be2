import { setFlagsFromString } from 'node:v8'
import { type ErrorCode, SyncError } from '../../errors.ts'
import type { ClonedFolder, SharedFolder, SyncEvent } from '../../index.ts'
import type { CommonOptions } from '../options/options.ts'
import { exitStatus, exitStatusOf } from '../output/exit-status.ts'
import type { Output } from '../output/output.ts'
import { outputFor } from './choose-output.ts'
import { listenForSignals } from './signals.ts'

/** How long an end may take before the process goes without it, in milliseconds. */
const endMsMax = 4500

/**
 * Runs a folder until `until` resolves with an exit status, or a signal comes; then closes it.
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
  // Left to itself, V8 lets the heap grow to a multiple of what is in use before it collects. With 100,000 files
  // that was 80 MB more, most of it while a first share reads them, which collecting earlier makes slower.
  setFlagsFromString('--heap-growing-percent=25')
  const output = outputFor(options, folder)
  const unsubscribe = folder.subscribe((event) => {
    if (isShown(event)) output.show(event)
  })
  const signals = listenForSignals()
  let status: number | undefined
  try {
    const work = folder.ready().then(until)
    work.catch(() => {}) // When a signal wins, nobody is left to hear of it.
    // What broke it was said by an event already.
    const broken = folder.broken().catch(exitStatusOf)
    status = await Promise.race([work, signals.received, broken])
  } finally {
    await endInTime(folder, output, () => status)
    unsubscribe()
    signals.end()
    output.end()
  }
  return status
}

/** Never resolves: for a command that works until it is told to end. */
export function forever(): Promise<number> {
  // Something has to keep the process alive while nothing happens.
  return new Promise(() => setInterval(() => {}, 2 ** 30))
}

/**
 * For a command that has an end: rejects when the work as a whole can't go on. Where it follows a folder
 * it would wait until the reason is gone.
 *
 * @param awaited what is waited for all the same
 */
export function failure(folder: SharedFolder | ClonedFolder, awaited: readonly ErrorCode[] = []): Promise<never> {
  const failed = new Promise<never>((_, reject) => {
    folder.subscribe((event) => {
      if (event.type !== 'error' || event.code === 'UNEXPECTED' || awaited.includes(event.code)) return
      reject(new SyncError(event.code, event.message))
    })
  })
  failed.catch(() => {}) // It may be asked for only later.
  return failed
}

async function endInTime(
  folder: SharedFolder | ClonedFolder,
  output: Output,
  status: () => number | undefined
): Promise<void> {
  const timer = setTimeout(() => {
    output.end()
    process.stderr.write(
      'p2psync: ending took too long and was cut off; nothing is lost, the next start looks at all\n'
    )
    process.exit(status() ?? exitStatus.failure)
  }, endMsMax)
  try {
    await folder.close()
  } finally {
    clearTimeout(timer)
  }
}
