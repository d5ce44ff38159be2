import { exitStatus } from '../output/exit-status.ts'

const endSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Resolves with an exit status at the first signal to end; the second one ends the process at once. */
export function listenForSignals(): { readonly received: Promise<number>; end(): void } {
  const { promise: received, resolve } = deferredStatus()
  let count = 0
  const onSignal = () => {
    // A user who insists doesn't wait: every state on disk survives a kill.
    if (++count > 1) process.exit(exitStatus.interrupted)
    resolve(exitStatus.interrupted)
  }
  for (const signal of endSignals) process.on(signal, onSignal)
  return {
    received,
    end: () => {
      for (const signal of endSignals) process.off(signal, onSignal)
    }
  }
}

/**
 * Runs `act`; a signal to end aborts its `AbortSignal`.
 *
 * @returns the exit status of `act`, or `interrupted` when the abort made it fail
 */
export async function withSignals(act: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const stop = new AbortController()
  const signals = listenForSignals()
  const interrupted = signals.received.then((status) => {
    stop.abort()
    return status
  })
  try {
    return await act(stop.signal)
  } catch (error) {
    if (!stop.signal.aborted) throw error
    return await interrupted
  } finally {
    signals.end()
  }
}

function deferredStatus(): { readonly promise: Promise<number>; readonly resolve: (status: number) => void } {
  let resolve: (status: number) => void = () => {}
  const promise = new Promise<number>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
