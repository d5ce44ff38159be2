import { LiveBaseline } from '../baseline/baseline.ts'
import type { BlockHolders } from '../baseline/block-holders.ts'
import type { State, StateBatch } from '../disk/state/state.ts'
import { reached } from '../failpoints.ts'
import type { LogWriter } from '../log/writer.ts'
import { type Entry, type Extent, sameEntry } from '../tree/entry.ts'
import { type Problem, sameVersion } from '../tree/tree.ts'

/**
 * Begins a writer's run, before any peer connects. After a power cut, or when the store was restored from a copy, readers
 * may know more of the log than its store does. So each run starts a new fork, which is durable before anything is
 * appended to it: no fork number is used twice.
 *
 * @param options.isFirst whether this run created the log, so that no reader can know of it
 * @param options.flush resolves when what the writer has appended is durable
 */
export async function beginRun(
  state: State,
  writer: LogWriter,
  { isFirst, flush }: { readonly isFirst: boolean; readonly flush: () => Promise<void> }
): Promise<void> {
  const [applied, content] = [await state.note('applied'), await state.note('content')]
  const { version: before, content: stored } = writer
  // One of the two was restored from a copy: they don't belong together.
  const isAhead =
    (content !== undefined && (content.fork !== stored.fork || content.length > stored.length)) ||
    (applied !== undefined && (applied.fork !== before?.fork || applied.length > before.length))
  if (!isFirst) await writer.startFork(Date.now())
  await flush()
  reached('fork-durable')
  // The chunk index may name blocks that are gone, or hold something else by now.
  if (isAhead) await state.clear()
  else if (content !== undefined) {
    await state.commit((batch) => {
      batch.note('content', writer.content)
      if (writer.version !== undefined && sameVersion(applied, before)) batch.note('applied', writer.version)
    })
  }
  reached('run-noted')
}

/**
 * Loads the baseline. The log is the truth: where the state is older, after a kill between the two commits, or lost, it is
 * rebuilt from the log.
 */
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

/** Notes which version the state stands for. Call in the batch of that version's records. */
export function noteWriter(batch: StateBatch, writer: LogWriter): void {
  batch.note('content', writer.content)
  if (writer.version !== undefined) batch.note('applied', writer.version)
}

/** Indexes the chunks of an entry: a small file by the hash of its content, a large one by the hashes of its blocks. */
async function indexChunks(writer: LogWriter, entry: Entry, chunks: Map<string, Extent>): Promise<void> {
  if (entry.type !== 'file') return
  for (const extent of entry.extents) {
    const { core } = extent
    if (extent.packed) {
      // A pack holds at most the end of a larger file, which isn't worth unpacking.
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
