import type { LiveBaseline } from '../baseline/baseline.ts'
import { assertMarker } from '../folder/folder.ts'
import { versionFields } from '../folder/monitor.ts'
import type { Scan, ScanDiff } from '../tree/diff.ts'
import { ignoreFileName } from '../tree/ignore.ts'
import type { TreePath } from '../tree/path.ts'
import { VersionCommitter } from './commit-version.ts'
import { DirtyFileQueue } from './dirty-files.ts'
import { Ingest } from './ingest.ts'
import type { PublishContext } from './publish-context.ts'
import { DirtyFileReader } from './read-dirty-files.ts'
import { ReadProgress } from './read-progress.ts'
import { scanChanges } from './scan-changes.ts'
import { VersionDraft } from './version-draft.ts'
import { hasReplacedDirectory, unreadableAfter, withoutDirectory } from './watched-directories.ts'

/** When to commit while there is more to read: a limit of bytes stored, and of time. */
interface CommitLimits {
  readonly bytes: number
  readonly ms: number
}

/** The first pass commits early, so that readers work while it goes on. */
const startupLimits: CommitLimits = { bytes: 32 * 1024 * 1024, ms: 2000 }
/** Any other pass makes one version, of which this much is in memory until it is appended. */
const passLimits: CommitLimits = { bytes: 256 * 1024 * 1024, ms: Number.POSITIVE_INFINITY }
const pendingFilesMax = 5000

/** The passes over a folder from one opening of its baseline to the next failure. */
export class PublishSession {
  readonly #context: PublishContext
  readonly #baseline: LiveBaseline
  readonly #committer: VersionCommitter
  #unreadable: ReadonlySet<TreePath> = new Set()

  private constructor(context: PublishContext, baseline: LiveBaseline, committer: VersionCommitter) {
    this.#context = context
    this.#baseline = baseline
    this.#committer = committer
  }

  static async open(context: PublishContext, baseline: LiveBaseline): Promise<PublishSession> {
    return new PublishSession(context, baseline, await VersionCommitter.open(context, baseline))
  }

  /** Publishes what is dirty. @param startup whether it is the first pass of the session */
  async pass(startup: boolean): Promise<void> {
    const { folder, tracker, rules } = this.#context
    assertMarker(folder)
    tracker.renew()
    if (tracker.isDirty(ignoreFileName) && rules.reload()) tracker.start()
    const dirty = tracker.take()
    if (!dirty.everything && dirty.paths.size === 0) return
    try {
      const { scan, diff } = await scanChanges(this.#context, this.#baseline, dirty)
      this.#followDirectories(scan, diff, dirty.everything)
      await this.#publish(scan, diff, { startup, everything: dirty.everything })
    } catch (error) {
      tracker.markAll()
      throw error
    }
  }

  /** Publishes a snapshot if one is due and the folder is quiet. @returns whether nothing changed meanwhile */
  publishSnapshotWhenQuiet(): Promise<boolean> {
    const { snapshots, tracker, signal } = this.#context
    return snapshots.publishWhenQuiet(this.#baseline, tracker, signal)
  }

  #followDirectories(scan: Scan, diff: ScanDiff, everything: boolean): void {
    const { tracker } = this.#context
    for (const path of withoutDirectory(diff)) tracker.forget(path)
    if (!everything && hasReplacedDirectory(diff, this.#baseline.records)) tracker.markAll()
    const { paths, isReadableAgain } = unreadableAfter(scan, this.#unreadable)
    if (isReadableAgain) tracker.doubtWatch()
    this.#unreadable = paths
  }

  async #publish(
    scan: Scan,
    diff: ScanDiff,
    { startup, everything }: { readonly startup: boolean; readonly everything: boolean }
  ): Promise<void> {
    const { folder, writer, state, monitor, snapshots, signal } = this.#context
    const ingest = new Ingest(folder.root, writer, state, this.#context)
    const draft = new VersionDraft(ingest, diff, scan)
    const queue = new DirtyFileQueue(diff, scan)
    const progress = new ReadProgress(queue, monitor)
    const reader = new DirtyFileReader(this.#context, this.#baseline, { queue, ingest, progress })
    const { bytes, ms } = startup ? startupLimits : passLimits
    while (!queue.isEmpty) {
      const startMs = performance.now()
      await reader.readUntil(
        () => draft.stored >= bytes || ingest.pending >= pendingFilesMax || performance.now() - startMs >= ms
      )
      if (!queue.isEmpty) await this.#committer.commit(draft, { startup, last: false, everything })
    }
    await this.#committer.commit(draft, { startup, last: true, everything })
    progress.report()
    // Before the folder is reported as published: whoever clones it then finds the snapshot.
    if (startup) await snapshots.publishIfDue(this.#baseline, signal)
    if (writer.version !== undefined) monitor.emit({ type: 'up-to-date', ...versionFields(writer.version) })
  }
}
