import { parentPort, type Transferable } from 'node:worker_threads'
import { type ErrorCode, SyncError, systemCode } from '../../errors.ts'

/** What a job answers; what is in `transfer` is handed over rather than copied. */
export interface Reply<A> {
  readonly answer: A
  readonly transfer?: readonly Transferable[]
}

/**
 * One kind of job, as a worker thread does it: in synchronous calls, for nobody waits beside it. Request and
 * answer are cloned on their way, so they are plain data.
 */
export type JobTable = Readonly<Record<string, (request: never) => Reply<unknown> | Promise<Reply<unknown>>>>

/** What a thread is asked. */
export interface Asked {
  readonly id: number
  readonly kind: string
  readonly request: never
}

/** What a thread answers. */
export type Answered =
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly error: PackedError }

/** An error on its way between threads. */
export interface PackedError {
  readonly isSyncError: boolean
  readonly message: string
  readonly code: string | undefined
  readonly syscall: string | undefined
  readonly path: string | undefined
  readonly stack: string | undefined
  readonly cause: PackedError | undefined
}

/** Does the jobs of `table` as they come, one after the other. Called once, in a worker thread. */
export function serveJobs(table: JobTable): void {
  const port = parentPort
  if (port === null) throw new Error('No worker thread')
  let last = Promise.resolve()
  port.on('message', (asked: Asked) => {
    last = last.then(async () => {
      try {
        const { answer, transfer = [] } = await jobOf(table, asked.kind)(asked.request)
        port.postMessage({ id: asked.id, answer } satisfies Answered, transfer)
      } catch (error) {
        port.postMessage({ id: asked.id, error: packError(error) } satisfies Answered)
      }
    })
  })
}

function jobOf(table: JobTable, kind: string): JobTable[string] {
  const job = table[kind]
  if (job === undefined) throw new Error(`There is no job ${kind}`)
  return job
}

const causesMax = 3

export function packError(error: unknown, depth = 0): PackedError {
  const { message, stack, cause } = error instanceof Error ? error : new Error(String(error))
  const { syscall, path } = Object(error) as NodeJS.ErrnoException
  return {
    isSyncError: error instanceof SyncError,
    message,
    code: systemCode(error),
    syscall,
    path,
    stack,
    cause: cause === undefined || depth >= causesMax ? undefined : packError(cause, depth + 1)
  }
}

/** The error that `packError` was given, but for its class where that isn't `SyncError`. */
export function unpackError({ isSyncError, message, code, syscall, path, stack, cause }: PackedError): Error {
  const options = cause === undefined ? {} : { cause: unpackError(cause) }
  if (isSyncError) return new SyncError(code as ErrorCode, message, options)
  const error = new Error(message, options)
  if (stack !== undefined) error.stack = stack
  return Object.assign(
    error,
    code !== undefined && { code },
    syscall !== undefined && { syscall },
    path !== undefined && { path }
  )
}
