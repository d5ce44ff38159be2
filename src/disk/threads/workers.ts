import type { Transferable } from 'node:worker_threads'
import { Worker } from 'node:worker_threads'
import { SyncError } from '../../errors.ts'
import type { Jobs } from './jobs.ts'
import { type Answered, type JobTable, unpackError } from './worker-port.ts'

export interface WorkersOptions {
  /** Threads at most. Each is started when there is work that no other one has time for. */
  readonly threadsMax?: number
  /** A thread that has had no work for so long is ended, in milliseconds: each takes some memory. */
  readonly idleMs?: number
  /** The module that the threads run; it serves the same table of jobs. */
  readonly entry?: URL
}

export interface RunOptions {
  /** What is handed over rather than copied; it is of no use here any more afterwards. */
  readonly transfer?: readonly Transferable[]
  /** A job that hasn't begun when this is aborted is dropped; one that has runs to its end. */
  readonly signal?: AbortSignal
  /** Starts no thread where there is one: for what a single one does as fast as it comes. Each takes some 20 MB. */
  readonly frugal?: boolean
}

/** So many jobs wait in each thread beside the one that runs, or it would be idle until we get to answer it. */
const jobsAhead = 1
/** Jobs that may wait for a thread, per thread; more wait in `room`. */
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

/** A way to one thread. */
export interface Lane<J extends JobTable = Jobs> {
  /** Has a job done there, behind those before it. Fails as `Workers.run` does. */
  run<K extends keyof J & string>(
    kind: K,
    request: Request<J, K>,
    transfer?: readonly Transferable[]
  ): Promise<Answer<J, K>>
  release(): void
}

let sumIds = 0

/** A number for a sum of a file in a worker thread. */
export function nextSumId(): number {
  return sumIds++
}

/**
 * Threads that work on files with synchronous calls, while the main thread has its hands free. Nothing is
 * started before the first job; a thread without work doesn't keep the process alive, and ends after a while.
 *
 * @typeParam J the jobs that the threads serve
 */
export class Workers<J extends JobTable = Jobs> {
  readonly #threadsMax: number
  readonly #idleMs: number
  readonly #entry: URL
  readonly #threads = new Set<Thread>()
  readonly #waiting = new Set<Job>()
  #wanting: (() => void)[] = []
  readonly #heeded = new WeakSet<AbortSignal>()
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

  /** How many threads there are now. */
  get threads(): number {
    return this.#threads.size
  }

  /**
   * Resolves when a job would soon be begun. Who has many of them asks before each, and makes its request only
   * then: what waits is in memory.
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
        this.#wanting.push(wake)
      })
    }
  }

  /**
   * Has a job done.
   *
   * @throws what the job has thrown, with its message and `code`, as a `SyncError` where it was one; the signal's
   *   reason when it was dropped; {SyncError} CLOSED; an error that says so when the thread has died of it
   */
  run<K extends keyof J & string>(kind: K, request: Request<J, K>, options: RunOptions = {}): Promise<Answer<J, K>> {
    const { transfer = [], signal, frugal = false } = options
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      this.#assertOpen()
      if (signal !== undefined) this.#heed(signal)
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

  /** A way to one thread, for jobs that have something in common there. To be released. */
  lane(): Lane<J> {
    this.#assertOpen()
    let thread: Thread | undefined
    for (const known of this.#threads) if (thread === undefined || known.load < thread.load) thread = known
    if (thread === undefined || (thread.load > 0 && this.#threads.size < this.#threadsMax)) thread = this.#start()
    const own = thread
    own.lanes++
    return {
      run: (kind, request, transfer = []) =>
        new Promise((resolve, reject) => {
          own.give({
            kind,
            request,
            transfer,
            signal: undefined,
            resolve: resolve as (answer: unknown) => void,
            reject
          })
        }),
      release: () => own.release()
    }
  }

  /** Listens to a signal once, however many jobs it is for. */
  #heed(signal: AbortSignal): void {
    if (this.#heeded.has(signal)) return
    this.#heeded.add(signal)
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

  /** Drops what hasn't begun, waits for what has, and ends all threads. */
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
        // A thread that can't be started, or what can't be sent to one.
        this.#waiting.delete(job)
        job.reject(error)
      }
    }
    this.#wake()
  }

  #wake(): void {
    const wanting = this.#wanting
    this.#wanting = []
    for (const wake of wanting) wake()
  }

  /** One without any work, else a new one, else the one with the least. */
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
  /** A job has ended. */
  readonly onFree: () => void
  readonly onEnd: () => void
}

/** One worker thread with the jobs that it was given. */
class Thread {
  readonly #worker: Worker
  readonly #options: ThreadOptions
  readonly #jobs = new Map<number, Job>()
  #ids = 0
  #idle: NodeJS.Timeout | undefined
  #onIdle: (() => void) | undefined
  #death: Error | undefined
  #isOver = false

  constructor(entry: URL, options: ThreadOptions) {
    this.#options = options
    this.#worker = new Worker(entry, {
      // What a job needs beside its buffers, which don't count, is little.
      resourceLimits: { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 4 },
      // A program that was given as text says so by an option that would be refused here.
      ...(process.execArgv.some((option) => option.startsWith('--input-type')) ? { execArgv: [] } : {})
    })
    this.#worker.unref()
    this.#worker.on('message', (message: Answered) => this.#answered(message))
    this.#worker.on('error', (error) => {
      this.#death = error instanceof Error ? error : new Error(String(error))
    })
    this.#worker.once('exit', () => this.#ended())
  }

  /** How many it has. */
  get jobs(): number {
    return this.#jobs.size
  }

  /** Ways to it that weren't released yet. */
  lanes = 0

  get load(): number {
    return this.lanes + this.#jobs.size
  }

  release(): void {
    this.lanes--
    if (this.#jobs.size === 0) this.#rest()
  }

  /** @throws what can't be sent to a thread; it is as before then */
  give(job: Job): void {
    if (this.#isOver) {
      job.reject(this.#deathError())
      return
    }
    const id = this.#ids++
    this.#worker.postMessage({ id, kind: job.kind, request: job.request }, job.transfer)
    clearTimeout(this.#idle)
    this.#jobs.set(id, job)
    this.#worker.ref()
  }

  /** Ends it after what it was given. */
  async close(): Promise<void> {
    clearTimeout(this.#idle)
    if (this.#jobs.size > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve
      })
    }
    await this.#worker.terminate()
  }

  #answered(message: Answered): void {
    const job = this.#jobs.get(message.id)
    this.#jobs.delete(message.id)
    if (this.#jobs.size === 0) this.#rest()
    if ('error' in message) job?.reject(unpackError(message.error))
    else job?.resolve(message.answer)
    this.#options.onFree()
  }

  #rest(): void {
    this.#worker.unref()
    this.#onIdle?.()
    clearTimeout(this.#idle)
    if (this.lanes > 0) return
    this.#idle = setTimeout(() => this.#retire(), this.#options.idleMs).unref()
  }

  /** Whoever took a lane meanwhile needs it still. What comes while it ends would be lost: it is no thread any more. */
  #retire(): void {
    if (this.lanes > 0) return
    this.#isOver = true
    this.#options.onEnd()
    void this.#worker.terminate()
  }

  #ended(): void {
    clearTimeout(this.#idle)
    this.#isOver = true
    const error = this.#deathError()
    for (const job of this.#jobs.values()) job.reject(error)
    this.#jobs.clear()
    this.#onIdle?.()
    this.#options.onEnd()
  }

  #deathError(): Error {
    const why = this.#death === undefined ? '' : `: ${this.#death.message}`
    return new Error(`A worker thread ended in the middle of its work${why}`, { cause: this.#death })
  }
}

function closed(): SyncError {
  return new SyncError('CLOSED', 'The folder was closed')
}
