import type { LiveBaseline } from '../baseline/baseline.ts'
import { reached } from '../failpoints.ts'
import { assertMarker } from '../folder/folder.ts'
import { versionFields } from '../folder/monitor.ts'
import { type CommitPlan, type CommitStage, countChanges, planCommit } from './commit-plan.ts'
import type { PublishContext } from './publish-context.ts'
import { draftStateChanges, type VersionDraft } from './version-draft.ts'
import { noteWriter } from './writer-state.ts'

type CommitContext = Pick<PublishContext, 'folder' | 'writer' | 'state' | 'monitor' | 'blocks'>

/** Turns drafts into versions of the log, and records them in the baseline and the state. */
export class VersionCommitter {
  readonly #context: CommitContext
  readonly #baseline: LiveBaseline
  /** Whether the latest version announces that more is to come. */
  #isIncomplete: boolean

  private constructor(context: CommitContext, baseline: LiveBaseline, isIncomplete: boolean) {
    this.#context = context
    this.#baseline = baseline
    this.#isIncomplete = isIncomplete
  }

  static async open(context: CommitContext, baseline: LiveBaseline): Promise<VersionCommitter> {
    const head = await context.writer.head()
    return new VersionCommitter(context, baseline, head?.partial === true || head?.unfinished === true)
  }

  /** Commits what is ready of a draft. */
  async commit(draft: VersionDraft, stage: CommitStage): Promise<void> {
    const { folder, writer, state, blocks } = this.#context
    const baseline = this.#baseline
    const taken = await draft.take(baseline, stage.last)
    const plan = planCommit(taken, baseline, stage, {
      hasVersion: writer.version !== undefined,
      isIncomplete: this.#isIncomplete || draft.unfinished !== undefined
    })
    if (plan === undefined) return
    // Once more: a disk that was unmounted during the pass has not deleted its files.
    if (plan.changes.size > 0) assertMarker(folder)
    for (const [path, record] of plan.records) {
      if (record === undefined) baseline.remove(path)
      else baseline.put(path, record)
    }
    if (plan.appends) await this.#append(plan, draft)
    await state.commitAll(draftStateChanges(plan.records, plan.chunks, (batch) => noteWriter(batch, writer)))
    reached('version-noted')
    await writer.release(blocks.takeDropped(), blocks.isHeld)
  }

  async #append({ changes, partial, unfinished }: CommitPlan, draft: VersionDraft): Promise<void> {
    const { writer, monitor } = this.#context
    const { puts, removals } = countChanges(changes, draft.unfinished)
    const { files, directories, symlinks, bytes } = this.#baseline.totals
    const contentLength = writer.content.length
    const version = await writer.commit(changes, {
      timeMs: Date.now(),
      partial,
      unfinished,
      files,
      directories,
      symlinks,
      bytes,
      puts,
      removals,
      contentLength
    })
    this.#isIncomplete = partial || unfinished
    draft.unfinished = unfinished ? { puts, removals } : undefined
    if (unfinished) return
    const stored = draft.takeStored()
    monitor.emit({ type: 'published', ...versionFields(version), files, bytes, puts, removals, stored, partial })
  }
}
