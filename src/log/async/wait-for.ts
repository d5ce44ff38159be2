import { setMaxListeners } from 'node:events'

/** A signal that is aborted with another, or by its own `end`, after which the other doesn't know of it any more. */
export function endingWith(signal: AbortSignal): { readonly signal: AbortSignal; readonly end: () => void } {
  const stop = new AbortController()
  const onAbort = () => stop.abort(signal.reason)
  if (signal.aborted) onAbort()
  // As many as work until then.
  setMaxListeners(0, signal, stop.signal)
  signal.addEventListener('abort', onAbort, { once: true })
  return {
    signal: stop.signal,
    end: () => {
      signal.removeEventListener('abort', onAbort)
      stop.abort()
    }
  }
}

export interface WaitOptions {
  /** How long, in milliseconds; for good when left out. */
  readonly ms?: number
}

/**
 * Waits for a promise, but no longer than some time, and not beyond the abortion of a signal. Leaves nothing behind,
 * also with a signal that lives as long as the process: a signal made of it by `AbortSignal.any` would be kept there.
 *
 * @returns what it came to, or `undefined` when it took longer
 * @throws the reason of the abortion
 */
export function waitFor<T>(promise: Promise<T>, signal: AbortSignal, { ms }: WaitOptions = {}): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason)
      promise.catch(() => {})
      return
    }
    let timer: NodeJS.Timeout | undefined
    const end = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
    }
    const onAbort = () => {
      end()
      reject(signal.reason)
    }
    // Many may wait with one signal.
    setMaxListeners(0, signal)
    signal.addEventListener('abort', onAbort)
    if (ms !== undefined) {
      timer = setTimeout(() => {
        end()
        resolve(undefined)
      }, ms).unref()
    }
    promise.finally(end).then(resolve, reject)
  })
}
