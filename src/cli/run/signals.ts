import { exitStatus } from '../output/exit-status.ts'

/** Resolves with an exit status at the first signal to end; the second ends the process at once. */
export function listenForSignals(): { readonly received: Promise<number>; end(): void } {
  let resolve: (status: number) => void
  const received = new Promise<number>((settle) => {
    resolve = settle
  })
  let count = 0
  const onSignal = () => {
    // Who insists gets it at once; what was saved so far is whole.
    if (++count > 1) process.exit(exitStatus.interrupted)
    resolve(exitStatus.interrupted)
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  process.on('SIGHUP', onSignal)
  return {
    received,
    end: () => {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, onSignal)
    }
  }
}
