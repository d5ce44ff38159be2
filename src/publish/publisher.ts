import { setTimeout as sleep } from 'node:timers/promises'
import type { LiveBaseline } from '../baseline/baseline.ts'
import type { BlockHolders } from '../baseline/block-holders.ts'
import { Totals } from '../baseline/totals.ts'
import { probeFileSystem } from '../disk/path/capabilities.ts'
import type { State } from '../disk/state/state.ts'
import type { Workers } from '../disk/threads/workers.ts'
import type { Staging } from '../disk/write/stage.ts'
import { messageOf } from '../errors.ts'
import { assertMarker, type Folder } from '../folder/folder.ts'
import { FolderQueue } from '../folder/folder-queue.ts'
import type { Monitor } from '../folder/monitor.ts'
import type { ReplacedFiles } from '../folder/replaced-files.ts'
import type { Workspace } from '../folder/workspace.ts'
import type { LogWriter } from '../log/writer.ts'
import { ChangeTracker, type ChangeTrackerOptions } from './change-tracker.ts'
import { SnapshotPublisher } from './entries-snapshot.ts'
import { FolderIgnoreRules } from './ignore-rules.ts'
import { PackBuffers } from './pack-buffers.ts'
import type { PublishContext } from './publish-context.ts'
import { PublishSession } from './publish-session.ts'
import { TornFiles } from './torn-files.ts'
import { draftStateChanges } from './version-draft.ts'
import { reconcileState } from './writer-state.ts'

/** The pause after a failure. */
const retryMs = 2000

export interface PublisherOptions extends ChangeTrackerOptions {
  /** Reads every file in the first pass, whatever the baseline says of it. */
  readonly checksum: boolean
  /** Files larger than this, in bytes, stay in the folder alone, not in the store as well. */
  readonly inPlaceAbove: number
  /** Knows which files hold which blocks. */
  readonly blocks: BlockHolders
  /** The threads that read files. */
  readonly workers: Workers
  /** Where operations on the folder, such as restore, write files. */
  readonly staging: Staging
  /** Keeps the files that such operations replace. */
  readonly replacedFiles: ReplacedFiles
  /** The bytes received from all peers so far. */
  readonly received: () => number
  /** Called with each failure of a pass. @returns whether it closes the publisher, which then doesn't try again */
  readonly onFailure: (error: unknown) => boolean
  /** The queue of another loop of the same folder, to work in turns with it; a queue of its own when left out. */
  readonly queue?: FolderQueue
  /**
   * Opens the baseline of another loop of the same folder, and the replaced files with it. Called within the queue: before
   * the first pass, and again after each failure. When left out, the publisher opens a baseline of its own from `state`.
   */
  readonly openBaseline?: () => Promise<LiveBaseline>
}

/** The writer's loop: finds what has changed in the folder, and publishes it in the log. */
export class Publisher {
  /** Serialises the passes and the operations that others carry out on the folder in between. */
  readonly queue: FolderQueue
  readonly #options: PublisherOptions
  readonly #context: PublishContext
  readonly #stop = new AbortController()
  #baseline: LiveBaseline | undefined
  #running: Promise<void> | undefined

  constructor(folder: Folder, writer: LogWriter, state: State, monitor: Monitor, options: PublisherOptions) {
    const { blocks, workers, inPlaceAbove, queue = new FolderQueue() } = options
    this.queue = queue
    this.#options = options
    this.#context = {
      folder,
      writer,
      state,
      monitor,
      tracker: new ChangeTracker(folder.root, monitor, options),
      rules: new FolderIgnoreRules(folder.root, (problem) => monitor.problem(problem)),
      snapshots: new SnapshotPublisher(writer, state),
      torn: new TornFiles(),
      buffers: new PackBuffers(),
      blocks,
      workers,
      inPlaceAbove,
      signal: this.#stop.signal
    }
  }

  /** The totals of the baseline; zeros before it was opened. */
  get totals(): Readonly<Totals> {
    return this.#baseline?.totals ?? new Totals()
  }

  start(): void {
    this.#running = this.#run()
  }

  /** Resolves when the loop has ended, which finishes a version that it is making. */
  async close(): Promise<void> {
    this.#stop.abort()
    await this.#running
    this.#context.tracker.close()
  }

  /** State lent to operations on the folder, whether or not the loop runs. Call inside a turn of the queue. */
  async workspace(): Promise<Workspace> {
    const { folder, writer, state, monitor, tracker, rules, workers } = this.#context
    const { staging, replacedFiles, received } = this.#options
    const baseline = this.#baseline ?? (await this.#openBaseline())
    const currentRules = rules.current
    staging.make()
    return {
      folder,
      monitor,
      staging,
      workers,
      replacedFiles,
      baseline,
      rules: currentRules,
      traits: probeFileSystem(folder.staging),
      version: writer.version,
      content: async (patienceMs) => writer.contents(received, patienceMs),
      record: async ({ put }) => {
        for (const [path, record] of put) baseline.put(path, record)
        await state.commitAll(draftStateChanges(put, new Map(), () => {}))
      },
      settled: async () => {},
      touched: () => tracker.markAll()
    }
  }

  async #run(): Promise<void> {
    const { signal, folder, monitor, tracker } = this.#context
    let session: PublishSession | undefined
    let isChecksumDue = this.#options.checksum
    let failure: string | undefined
    while (!signal.aborted) {
      try {
        const current = await this.queue.pass(async () => {
          const opened = session ?? (await this.#openSession(isChecksumDue))
          await opened.pass(session === undefined)
          return opened
        })
        if (failure !== undefined) monitor.emit({ type: 'notice', message: `Going on with ${folder.root}` })
        session = current
        isChecksumDue = false
        failure = undefined
        if (await this.queue.pass(() => current.publishSnapshotWhenQuiet())) await tracker.wait(signal)
      } catch (error) {
        if (signal.aborted) return
        // Only the log and the folder are sure: the next session rebuilds the baseline from the log, and scans all.
        session = undefined
        if (this.#options.onFailure(error)) return
        if (failure !== messageOf(error)) monitor.error(error)
        failure = messageOf(error)
        await sleep(retryMs, undefined, { signal }).catch(() => {})
      }
    }
  }

  /** @param distrusts whether to read every file, whatever its recorded signature says */
  async #openSession(distrusts: boolean): Promise<PublishSession> {
    const { folder, rules, tracker } = this.#context
    assertMarker(folder)
    const baseline = await this.#openBaseline()
    const { records } = baseline
    if (distrusts) for (const [path, { entry }] of records) records.set(path, { entry, signature: '' })
    const session = await PublishSession.open(this.#context, baseline)
    rules.reload()
    tracker.start()
    return session
  }

  async #openBaseline(): Promise<LiveBaseline> {
    const { openBaseline = () => this.#openOwnBaseline() } = this.#options
    try {
      this.#baseline = await openBaseline()
      return this.#baseline
    } catch (error) {
      // The one before doesn't follow the files any more that the log's blocks lie in.
      this.#baseline = undefined
      throw error
    }
  }

  async #openOwnBaseline(): Promise<LiveBaseline> {
    const { state, writer, monitor } = this.#context
    const { blocks, replacedFiles, staging } = this.#options
    const baseline = await reconcileState(state, writer, blocks, (problem) => monitor.problem(problem))
    await replacedFiles.open(staging.reopen(), baseline, monitor)
    await replacedFiles.sweep()
    return baseline
  }
}
