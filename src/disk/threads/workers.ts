import type { Transferable } from 'node:worker_threads'
import { Worker } from 'node:worker_threads'
import { SyncError } from '../../errors.ts'
import type { Jobs } from './jobs.ts'
import { type JobResponse, type JobTable, unpackError } from './worker-port.ts'

export interface WorkersOptions {
  /** The most threads. Another one starts when a job finds all of them busy. */
  readonly threadsMax?: number
  /** An idle thread ends after this many milliseconds, to free its memory. */
  readonly idleMs?: number
  /** The module that the threads run; it must serve the same jobs. */
  readonly entry?: URL
}

export interface RunOptions {
  /** Buffers to transfer instead of copying; unusable for the caller afterwards. */
  readonly transfer?: readonly Transferable[]
  /** Drops the job if aborted before it starts; a started job runs to its end. */
  readonly signal?: AbortSignal
  /** Starts no second thread: for work that one thread does as fast as it comes. Each thread takes some 20 MB. */
  readonly frugal?: boolean
}

/** Jobs queued in a thread behind the running one, so that it needn't idle until the main thread sends the next. */
const jobsAhead = 1
/** Jobs per thread that may wait for a free one before `room` makes callers wait. */
const waitingMax = 2

interface Job {
  readonly kind: string
  readonly request: unknown
  readonly transfer: readonly Transferable[]
  readonly signal?: AbortSignal | undefined
  readonly frugal?: boolean
  resolve(answer: unknown): void
  reject(error: unknown): void
}

type Request<J extends JobTable, K extends keyof J> = Parameters<J[K]>[0]
type Answer<J extends JobTable, K extends keyof J> = Awaited<ReturnType<J[K]>>['answer']

/** Sends jobs to one particular thread, in order. */
export interface Lane<J extends JobTable = Jobs> {
  /** Runs a job after the previous ones of this thread. Rejects as `Workers.run` does. */
  run<K extends keyof J & string>(
    kind: K,
    request: Request<J, K>,
    transfer?: readonly Transferable[]
  ): Promise<Answer<J, K>>
  release(): void
}

let lastSumId = 0

/** A unique id for the running SHA-256 of a file in a worker thread. */
export function nextSumId(): number {
  return lastSumId++
}

/**
 * A pool of threads that work on files with blocking calls and leave the main thread free. The first job starts the
 * first thread. An idle thread doesn't keep the process alive and ends after a while.
 *
 * @typeParam J the jobs that the threads serve
 */
export class Workers<J extends JobTable = Jobs> {
  readonly #threadsMax: number
  readonly #idleMs: number
  readonly #entry: URL
  readonly #threads = new Set<Thread>()
  readonly #waiting = new Set<Job>()
  /** Resolvers of the calls of `room` that wait. */
  #roomWaiters: (() => void)[] = []
  readonly #observedSignals = new WeakSet<AbortSignal>()
  #closed = false

  constructor({
    threadsMax = 2,
    idleMs = 10_000,
    entry = new URL('../worker.js', import.meta.url)
  }: WorkersOptions = {}) {
    this.#threadsMax = threadsMax
    this.#idleMs = idleMs
    this.#entry = entry
  }

  /** The present number of threads. */
  get threads(): number {
    return this.#threads.size
  }

  /**
   * Resolves when a new job would start soon. Await this before making each of many requests, so that not all of them
   * are in memory at once.
   *
   * @throws the signal's reason; {SyncError} CLOSED
   */
  async room(signal?: AbortSignal): Promise<void> {
    for (;;) {
      signal?.throwIfAborted()
      this.#assertOpen()
      if (this.#waiting.size < waitingMax * this.#threadsMax) return
      await new Promise<void>((resolve) => {
        const wake = () => {
          signal?.removeEventListener('abort', wake)
          resolve()
        }
        signal?.addEventListener('abort', wake, { once: true })
        this.#roomWaiters.push(wake)
      })
    }
  }

  /**
   * Runs a job in some thread.
   *
   * @throws the job's error, with its message and `code`, a `SyncError` if it was one; the signal's reason if the job was
   *   dropped; {SyncError} CLOSED; an `Error` if the thread died
   */
  run<K extends keyof J & string>(kind: K, request: Request<J, K>, options: RunOptions = {}): Promise<Answer<J, K>> {
    const { transfer = [], signal, frugal = false } = options
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      this.#assertOpen()
      if (signal !== undefined) this.#observeAbort(signal)
      this.#waiting.add({
        kind,
        request,
        transfer,
        signal,
        frugal,
        resolve: (answer) => resolve(answer as Answer<J, K>),
        reject
      })
      this.#assign()
    })
  }

  /** Reserves one thread, for jobs that share state there. The caller must release the lane. */
  lane(): Lane<J> {
    this.#assertOpen()
    const thread = this.#threadForLane()
    thread.lanes++
    return {
      run: (kind, request, transfer = []) =>
        new Promise((resolve, reject) => {
          thread.give({
            kind,
            request,
            transfer,
            signal: undefined,
            resolve: resolve as (answer: unknown) => void,
            reject
          })
        }),
      release: () => thread.release()
    }
  }

  /** The thread with the least load; a new one if that is busy and the limit allows it. */
  #threadForLane(): Thread {
    let freest: Thread | undefined
    for (const thread of this.#threads) if (freest === undefined || thread.load < freest.load) freest = thread
    if (freest === undefined || (freest.load > 0 && this.#threads.size < this.#threadsMax)) return this.#start()
    return freest
  }

  /** Adds one listener per signal, however many jobs share it. */
  #observeAbort(signal: AbortSignal): void {
    if (this.#observedSignals.has(signal)) return
    this.#observedSignals.add(signal)
    const drop = () => {
      for (const job of this.#waiting) {
        if (job.signal !== signal) continue
        this.#waiting.delete(job)
        job.reject(signal.reason)
      }
      this.#assign()
    }
    signal.addEventListener('abort', drop, { once: true })
  }

  /** Drops jobs that haven't started, waits for the others, and ends all threads. */
  async close(): Promise<void> {
    this.#closed = true
    for (const job of this.#waiting) job.reject(closed())
    this.#waiting.clear()
    this.#wake()
    await Promise.all([...this.#threads].map((thread) => thread.close()))
  }

  #assertOpen(): void {
    if (this.#closed) throw closed()
  }

  #assign(): void {
    for (const job of this.#waiting) {
      try {
        const thread = this.#freest(job)
        if (thread === undefined) continue
        this.#waiting.delete(job)
        thread.give(job)
      } catch (error) {
        // The thread failed to start, or the request can't be cloned.
        this.#waiting.delete(job)
        job.reject(error)
      }
    }
    this.#wake()
  }

  #wake(): void {
    const waiters = this.#roomWaiters
    this.#roomWaiters = []
    for (const wake of waiters) wake()
  }

  /** An idle thread, else a new one, else the one with the fewest jobs unless its queue is full. */
  #freest({ frugal }: Job): Thread | undefined {
    let freest: Thread | undefined
    for (const thread of this.#threads) if (freest === undefined || thread.jobs < freest.jobs) freest = thread
    if (freest?.jobs === 0) return freest
    if (this.#threads.size < (frugal ? 1 : this.#threadsMax)) return this.#start()
    return freest !== undefined && freest.jobs <= jobsAhead ? freest : undefined
  }

  #start(): Thread {
    const thread = new Thread(this.#entry, {
      idleMs: this.#idleMs,
      onFree: () => this.#assign(),
      onEnd: () => {
        this.#threads.delete(thread)
        if (!this.#closed) this.#assign()
      }
    })
    this.#threads.add(thread)
    return thread
  }
}

interface ThreadOptions {
  readonly idleMs: number
  /** Called when a job has ended. */
  readonly onFree: () => void
  readonly onEnd: () => void
}

/** One worker thread and its jobs. */
class Thread {
  readonly #worker: Worker
  readonly #options: ThreadOptions
  readonly #jobs = new Map<number, Job>()
  #nextId = 0
  #idleTimer: NodeJS.Timeout | undefined
  #onIdle: (() => void) | undefined
  #fatalError: Error | undefined
  #hasEnded = false

  constructor(entry: URL, options: ThreadOptions) {
    this.#options = options
    this.#worker = new Worker(entry, {
      // Buffers don't count; jobs need little else.
      resourceLimits: { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 4 },
      // A program started from text (`node --input-type`) has an option that a worker refuses.
      ...(process.execArgv.some((option) => option.startsWith('--input-type')) ? { execArgv: [] } : {})
    })
    this.#worker.unref()
    this.#worker.on('message', (response: JobResponse) => this.#onResponse(response))
    this.#worker.on('error', (error) => {
      this.#fatalError = error instanceof Error ? error : new Error(String(error))
    })
    this.#worker.once('exit', () => this.#onExit())
  }

  /** The number of unfinished jobs. */
  get jobs(): number {
    return this.#jobs.size
  }

  /** The number of unreleased lanes. */
  lanes = 0

  get load(): number {
    return this.lanes + this.#jobs.size
  }

  release(): void {
    this.lanes--
    if (this.#jobs.size === 0) this.#becomeIdle()
  }

  /** Sends a job to the thread. @throws the error of a request that can't be cloned; then nothing has changed */
  give(job: Job): void {
    if (this.#hasEnded) {
      job.reject(this.#endError())
      return
    }
    const id = this.#nextId++
    this.#worker.postMessage({ id, kind: job.kind, request: job.request }, job.transfer)
    clearTimeout(this.#idleTimer)
    this.#jobs.set(id, job)
    this.#worker.ref()
  }

  /** Ends the thread after its jobs. */
  async close(): Promise<void> {
    clearTimeout(this.#idleTimer)
    if (this.#jobs.size > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve
      })
    }
    await this.#worker.terminate()
  }

  #onResponse(response: JobResponse): void {
    const job = this.#jobs.get(response.id)
    this.#jobs.delete(response.id)
    if (this.#jobs.size === 0) this.#becomeIdle()
    if ('error' in response) job?.reject(unpackError(response.error))
    else job?.resolve(response.answer)
    this.#options.onFree()
  }

  #becomeIdle(): void {
    this.#worker.unref()
    this.#onIdle?.()
    clearTimeout(this.#idleTimer)
    if (this.lanes > 0) return
    this.#idleTimer = setTimeout(() => this.#retire(), this.#options.idleMs).unref()
  }

  /** Ends the thread unless a lane was taken meanwhile. It leaves the pool at once: jobs sent from now on would be lost. */
  #retire(): void {
    if (this.lanes > 0) return
    this.#hasEnded = true
    this.#options.onEnd()
    void this.#worker.terminate()
  }

  #onExit(): void {
    clearTimeout(this.#idleTimer)
    this.#hasEnded = true
    const error = this.#endError()
    for (const job of this.#jobs.values()) job.reject(error)
    this.#jobs.clear()
    this.#onIdle?.()
    this.#options.onEnd()
  }

  #endError(): Error {
    const reason = this.#fatalError === undefined ? '' : `: ${this.#fatalError.message}`
    return new Error(`A worker thread ended in the middle of its work${reason}`, { cause: this.#fatalError })
  }
}

function closed(): SyncError {
  return new SyncError('CLOSED', 'The folder was closed')
}
