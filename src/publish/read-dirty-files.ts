import type { LiveBaseline } from '../baseline/baseline.ts'
import { isAbsence } from '../disk/path/beneath.ts'
import { TornRead } from '../disk/read/read.ts'
import { unpackError } from '../disk/threads/worker-port.ts'
import { messageOf, SyncError, systemCode } from '../errors.ts'
import { packHeaderBytes } from '../format/pack-codec.ts'
import type { TreePath } from '../tree/path.ts'
import type { DirtyFile, DirtyFileQueue } from './dirty-files.ts'
import type { Ingest, SmallFileContent } from './ingest.ts'
import type { PublishContext } from './publish-context.ts'
import type { ReadProgress } from './read-progress.ts'

const parallelReads = 4

type ReadContext = Pick<PublishContext, 'folder' | 'monitor' | 'torn' | 'buffers' | 'workers' | 'signal'> & {
  readonly tracker: Pick<PublishContext['tracker'], 'mark'>
}

/** Where the content of read files goes. */
export interface ReadTarget {
  readonly queue: DirtyFileQueue
  readonly ingest: Pick<Ingest, 'add' | 'addSmall'>
  readonly progress: ReadProgress
}

/** Reads the dirty files of a pass into the log's content core, several at a time. */
export class DirtyFileReader {
  readonly #context: ReadContext
  readonly #baseline: LiveBaseline
  readonly #target: ReadTarget

  constructor(context: ReadContext, baseline: LiveBaseline, target: ReadTarget) {
    this.#context = context
    this.#baseline = baseline
    this.#target = target
  }

  /**
   * Reads until the queue is empty or `isFull` says so. A file that can't be read becomes a problem or, where it changed
   * while it was read, is read again later; its record stays as it is.
   */
  async readUntil(isFull: () => boolean): Promise<void> {
    const { queue } = this.#target
    const readers = Array.from({ length: parallelReads }, async () => {
      while (!isFull()) {
        const next = queue.next()
        if (next === undefined) return
        this.#context.signal.throwIfAborted()
        if ('small' in next) await this.#readSmall(next.small)
        else await this.#read(next)
      }
    })
    await allSettled(readers)
  }

  async #read({ path, size }: DirtyFile): Promise<void> {
    const { ingest, progress } = this.#target
    try {
      await ingest.add(path, size, {
        before: this.#baseline.entry(path),
        onBytes: (bytes) => progress.addBytes(bytes),
        signal: this.#context.signal
      })
      this.#wasRead(path)
    } catch (error) {
      this.#failed(path, error)
    }
    progress.addFile()
  }

  /** Reads a batch of small files in a worker thread, into one buffer. */
  async #readSmall(paths: readonly TreePath[]): Promise<void> {
    const { folder, workers, buffers, signal } = this.#context
    const { queue, ingest, progress } = this.#target
    const buffer = buffers.take()
    const request = { root: folder.root, paths, buffer, start: packHeaderBytes }
    const answer = await workers.run('read-files', request, { transfer: [buffer], signal, frugal: true })
    const files: SmallFileContent[] = []
    let bytes = 0
    for (const [i, outcome] of answer.outcomes.entries()) {
      const path = paths[i] as TreePath
      if (outcome === 'later') {
        queue.later(path)
        continue
      }
      if ('torn' in outcome) this.#failed(path, new TornRead(outcome.torn))
      else if ('error' in outcome) this.#failed(path, unpackError(outcome.error))
      else {
        bytes += outcome.size
        files.push({ path, ...outcome })
        this.#wasRead(path)
      }
      progress.addFile()
    }
    await ingest.addSmall(files, answer.buffer)
    progress.addBytes(bytes)
  }

  #wasRead(path: TreePath): void {
    const { torn, monitor } = this.#context
    torn.wasRead(path)
    monitor.solve((problem) => problem.path === path)
  }

  #failed(path: TreePath, error: unknown): void {
    const message = messageOf(error)
    if (error instanceof TornRead || isAbsence(error)) this.#retryLater(path, message)
    else if (systemCode(error) === undefined || error instanceof SyncError) throw error
    else {
      this.#context.monitor.problem({
        path,
        action: 'read',
        message: `Can't be read: ${message}. What is recorded of it stays`
      })
    }
  }

  #retryLater(path: TreePath, message: string): void {
    const { torn, tracker, monitor } = this.#context
    const { afterMs, isReported } = torn.failed(path)
    if (isReported) monitor.problem({ path, action: 'read', message: `${message}; published when it settles` })
    setTimeout(() => tracker.mark(path, 'shallow'), afterMs).unref()
  }
}

/** Waits for all tasks, also when one fails, so that none goes on unobserved. @throws what the first failed one threw */
async function allSettled(tasks: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(tasks)) if (result.status === 'rejected') throw result.reason
}
