import { setMaxListeners } from 'node:events'

/**
 * A signal that aborts with another one, or by its own `end`, after which the other holds no listener of it any more.
 */
export function endingWith(signal: AbortSignal): { readonly signal: AbortSignal; readonly end: () => void } {
  const stop = new AbortController()
  const onAbort = () => stop.abort(signal.reason)
  if (signal.aborted) onAbort()
  // Any number of operations may listen.
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
  /** How long to wait, in milliseconds. */
  readonly ms: number
}

/**
 * Waits for a promise, no longer than a given time if there is one, and until a signal aborts. Leaves no listener behind, even on a
 * signal that lives as long as the process; a signal of `AbortSignal.any` would stay registered there.
 *
 * @returns the value of the promise, or `undefined` if it took longer
 * @throws the reason of the abortion
 */
export function waitFor<T>(promise: Promise<T>, signal: AbortSignal): Promise<T>
export function waitFor<T>(promise: Promise<T>, signal: AbortSignal, options: WaitOptions): Promise<T | undefined>
export function waitFor<T>(promise: Promise<T>, signal: AbortSignal, options?: WaitOptions): Promise<T | undefined> {
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
    // Any number of callers may wait with one signal.
    setMaxListeners(0, signal)
    signal.addEventListener('abort', onAbort)
    if (options !== undefined) {
      timer = setTimeout(() => {
        end()
        resolve(undefined)
      }, options.ms).unref()
    }
    promise.finally(end).then(resolve, reject)
  })
}
