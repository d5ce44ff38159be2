import { parentPort, type Transferable } from 'node:worker_threads'
import { type ErrorCode, SyncError, systemCode } from '../../errors.ts'

/** The answer of a job. Buffers in `transfer` are transferred instead of copied. */
export interface Reply<A> {
  readonly answer: A
  readonly transfer?: readonly Transferable[]
}

/**
 * The jobs of a worker thread, by name. A job may block its thread, which does nothing else. Requests and answers must
 * be plain data, since messages clone them.
 */
export type JobTable = Readonly<Record<string, (request: never) => Reply<unknown> | Promise<Reply<unknown>>>>

/** A request to a thread. */
export interface JobRequest {
  readonly id: number
  readonly kind: string
  readonly request: never
}

/** A thread's response to a request. */
export type JobResponse =
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly error: PackedError }

/** An error as plain data, to pass between threads. */
export interface PackedError {
  readonly isSyncError: boolean
  readonly message: string
  readonly code: string | undefined
  readonly syscall: string | undefined
  readonly path: string | undefined
  readonly stack: string | undefined
  readonly cause: PackedError | undefined
}

/** Runs the jobs of `table` in the order of their requests, one at a time. Call once, in a worker thread. */
export function serveJobs(table: JobTable): void {
  const port = parentPort
  if (port === null) throw new Error('serveJobs runs in a worker thread only')
  let last = Promise.resolve()
  port.on('message', ({ id, kind, request }: JobRequest) => {
    last = last.then(async () => {
      try {
        const { answer, transfer = [] } = await jobOf(table, kind)(request)
        port.postMessage({ id, answer } satisfies JobResponse, transfer)
      } catch (error) {
        port.postMessage({ id, error: packError(error) } satisfies JobResponse)
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

/** Restores an error from `packError`. Of the classes it keeps only `SyncError`. */
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
