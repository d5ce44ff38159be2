import type { LiveBaseline } from '../baseline/baseline.ts'
import { checkFile, checkFiles } from '../disk/read/check-files.ts'
import { observe } from '../disk/read/observe.ts'
import { progressGate } from '../folder/progress-gate.ts'
import { type Entry, modeOf, sameContent, sameEntry } from '../tree/entry.ts'
import type { FileSystemTraits } from '../tree/file-system.ts'
import type { TreePath } from '../tree/path.ts'
import { judgeFile, type Verdict } from './judge-file.ts'
import type { Findings, VerifyEvent } from './verify-events.ts'
import type { FilesHost, Recorded } from './verify-host.ts'

export interface CheckOptions {
  /** The share to read: over 0, up to 1. */
  readonly sample: number
  readonly signal: AbortSignal
}

/** Compares the files of a folder with the baseline, and the baseline with the log. */
export async function* verifyFiles(
  host: FilesHost,
  findings: Findings,
  { sample, signal }: CheckOptions
): AsyncGenerator<VerifyEvent> {
  const { counts } = findings
  const { baseline, traits, entries } = await host.queue.run(() => host.recorded())
  let corrected = await correctionsOf(baseline, entries)
  // An open folder may have gone on to another version during the comparison: compare again in a turn.
  if (corrected.size > 0) {
    corrected = await host.queue.run(async () => {
      const now = await host.recorded()
      return correctionsOf(now.baseline, now.entries)
    })
  }
  if (corrected.size > 0) {
    const message = `The records of ${corrected.size} paths, such as ${[...corrected.keys()][0]}, differ from the log`
    findings.state.push(message)
    yield { type: 'damaged', what: 'state', message }
  }
  const entryAt = (path: TreePath) => corrected.get(path) ?? baseline.entry(path)
  const files: { readonly path: TreePath; readonly size: number }[] = []
  const others: TreePath[] = []
  for (const path of new Set([...baseline.records.keys(), ...corrected.keys()])) {
    const entry = entryAt(path)
    if (entry?.type === 'file') files.push({ path, size: entry.size })
    else others.push(path)
  }
  counts.filesTotal = files.length
  counts.bytesTotal = files.reduce((sum, { size }) => sum + size, 0)
  yield* verifyMetadata(host.folder.root, others, entryAt, traits)
  const isProgressDue = progressGate()
  for await (const [path, checked] of checkFiles(host.folder.root, sampleOf(files, sample, Math.random), {
    ...host,
    signal
  })) {
    counts.files++
    counts.bytes += checked.type === 'read' ? checked.file.size : 0
    const entry = entryAt(path)
    const record = baseline.records.get(path)
    let verdict: Verdict | undefined
    if (entry?.type === 'file') verdict = judgeFile(entry, record, checked, traits)
    // The file may belong to another version by now: judge it again in a turn.
    if (verdict?.type === 'damaged') verdict = await judgeAgain(host, path, corrected.get(path), signal)
    if (verdict?.type === 'damaged') findings.files.push({ path, worthless: verdict.worthless })
    yield* fileEvents(path, verdict)
    if (isProgressDue()) yield { type: 'verifying', part: 'files', done: counts.bytes, total: counts.bytesTotal }
  }
}

function fileEvents(path: TreePath, verdict: Verdict | undefined): VerifyEvent[] {
  if (verdict === undefined || verdict.type === 'sound') return []
  if (verdict.type === 'diverged') return [{ type: 'diverged', path }]
  const { message } = verdict
  return verdict.type === 'damaged'
    ? [{ type: 'damaged', what: 'file', path, message }]
    : [{ type: 'unclear', path, message }]
}

/** Judges a file in a turn, so that only its user can change it meanwhile. @returns `undefined` when it isn't recorded any more */
export async function judgeAgain(
  host: FilesHost,
  path: TreePath,
  corrected: Entry | undefined,
  signal: AbortSignal
): Promise<Verdict | undefined> {
  return host.queue.run(async () => {
    const { baseline, traits } = await host.recorded()
    const record = baseline.records.get(path)
    const entry = corrected ?? record?.entry
    if (entry?.type !== 'file') return undefined
    return judgeFile(entry, record, await checkFile(host.folder.root, path, { ...host, signal }), traits)
  })
}

/** The log's entries of paths whose record differs: the log is the truth, the baseline a copy. */
async function correctionsOf(baseline: LiveBaseline, entries: Recorded['entries']): Promise<Map<TreePath, Entry>> {
  const corrected = new Map<TreePath, Entry>()
  try {
    for await (const [path, entry] of entries ?? []) {
      if (!sameEntry(baseline.entry(path), entry)) corrected.set(path, entry)
    }
  } catch {
    corrected.clear() // The check of the store reports a log that can't be read.
  }
  return corrected
}

/** Compares directories and links, which have no content to rot. */
function* verifyMetadata(
  root: string,
  paths: readonly TreePath[],
  entryAt: (path: TreePath) => Entry | undefined,
  traits: FileSystemTraits
): Generator<VerifyEvent> {
  const unclear: VerifyEvent[] = []
  const seen = observe(root, paths, ({ path, message }) => void unclear.push({ type: 'unclear', path, message }))
  yield* unclear
  const isUnclear = new Set(unclear.map((event) => 'path' in event && event.path))
  for (const path of paths) {
    const [have, want] = [seen.get(path), entryAt(path)]
    if (want === undefined || isUnclear.has(path)) continue
    const isSame =
      have !== undefined &&
      have.type !== 'file' &&
      sameContent(have, want) &&
      (!traits.keepsModes || modeOf(have) === modeOf(want))
    if (!isSame) yield { type: 'diverged', path }
  }
}

/**
 * Picks files at random until they hold the share `sample` of all bytes. Each run picks others, so that many runs read all.
 *
 * @param random gives numbers from 0 to 1
 */
export function* sampleOf<T extends { readonly size: number }>(
  files: readonly T[],
  sample: number,
  random: () => number
): Generator<T> {
  if (sample >= 1) {
    yield* files
    return
  }
  // One more than its size, so that empty files count too.
  const weightOf = ({ size }: T) => size + 1
  const rest = [...files]
  let left = sample * rest.reduce((sum, file) => sum + weightOf(file), 0)
  while (left > 0 && rest.length > 0) {
    const at = Math.floor(random() * rest.length)
    const file = rest[at] as T
    rest[at] = rest.at(-1) as T
    rest.pop()
    left -= weightOf(file)
    yield file
  }
}
