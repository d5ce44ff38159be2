import { LiveBaseline } from '../baseline/baseline.ts'
import type { BlockHolders } from '../baseline/block-holders.ts'
import type { State, StateBatch } from '../disk/state/state.ts'
import { reached } from '../failpoints.ts'
import type { LogWriter } from '../log/writer.ts'
import { type Entry, type Extent, sameEntry } from '../tree/entry.ts'
import { type Problem, sameVersion } from '../tree/tree.ts'

/**
 * Begins a writer's run, before anybody is connected. Readers may know more of the log than its store
 * does, after a power cut or where the store was restored from a copy: a new fork is started, and made
 * durable before anything is appended to it, so that no fork is ever given twice.
 *
 * @param options.isFirst whether the log was made in this run, so that nobody can know of it
 * @param options.flush resolves when what the writer has appended is durable
 */
export async function beginRun(
  state: State,
  writer: LogWriter,
  { isFirst, flush }: { readonly isFirst: boolean; readonly flush: () => Promise<void> }
): Promise<void> {
  const [applied, content] = [await state.note('applied'), await state.note('content')]
  const { version: before, content: stored } = writer
  // The store was set back, or the state was: what they say of each other doesn't hold.
  const isAhead =
    (content !== undefined && (content.fork !== stored.fork || content.length > stored.length)) ||
    (applied !== undefined && (applied.fork !== before?.fork || applied.length > before.length))
  if (!isFirst) await writer.startFork(Date.now())
  await flush()
  reached('fork-durable')
  // Blocks that the chunk index names may be others by now, or gone.
  if (isAhead) await state.clear()
  else if (content !== undefined) {
    await state.commit((batch) => {
      batch.note('content', writer.content)
      if (writer.version !== undefined && sameVersion(applied, before)) batch.note('applied', writer.version)
    })
  }
  reached('run-noted')
}

/** Brings a writer's state into line with its log, which is the truth: after a kill between the two, or when it is lost. */
export async function reconcileState(
  state: State,
  writer: LogWriter,
  blocks: BlockHolders,
  onProblem: (problem: Problem) => void
): Promise<LiveBaseline> {
  const applied = await state.note('applied')
  const baseline = await LiveBaseline.of(state.records(), blocks)
  if (writer.version !== undefined && sameVersion(applied, writer.version)) return baseline

  const { records } = baseline
  const log = new LiveBaseline(blocks)
  const chunks = new Map<string, Extent>()
  for await (const [path, entry] of writer.entries(onProblem)) {
    const known = records.get(path)
    const same = known !== undefined && sameEntry(known.entry, entry)
    log.put(path, { entry, signature: same ? known.signature : '' })
    if (!same) await indexChunks(writer, entry, chunks)
  }
  await state.commitAll(
    (function* (): Generator<(batch: StateBatch) => void> {
      for (const path of records.keys()) if (!log.records.has(path)) yield (batch) => batch.remove(path)
      for (const [path, record] of log.records) yield (batch) => batch.put(path, record)
      for (const [hash, extent] of chunks) yield (batch) => batch.chunk(hash, extent)
      yield (batch) => noteWriter(batch, writer)
    })()
  )
  reached('state-reconciled')
  return log
}

/** Notes what the state stands for; in the same batch as what it says. */
export function noteWriter(batch: StateBatch, writer: LogWriter): void {
  batch.note('content', writer.content)
  if (writer.version !== undefined) batch.note('applied', writer.version)
}

/** Finds the chunks of an entry again: of small files by the hash of the whole, of large ones by those of the blocks. */
async function indexChunks(writer: LogWriter, entry: Entry, chunks: Map<string, Extent>): Promise<void> {
  if (entry.type !== 'file') return
  for (const extent of entry.extents) {
    const { core } = extent
    if (extent.packed) {
      // Of larger ones it is the end at most: not worth unpacking for.
      if (extent.length === entry.size) chunks.set(entry.hash, extent)
      continue
    }
    for (let block = extent.block; block < extent.block + extent.blocks; block++) {
      const leaf = await writer.places.leafOf(block)
      if (leaf === undefined) continue
      chunks.set(leaf.hash.toString('hex'), { core, block, blocks: 1, offset: 0, length: leaf.size, packed: false })
    }
  }
}
