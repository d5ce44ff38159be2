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
  /** The share that is read, over 0 to 1. */
  readonly sample: number
  readonly signal: AbortSignal
}

/** Compares the files of a folder with what is recorded of them, and that with the log. */
export async function* verifyFiles(
  host: FilesHost,
  findings: Findings,
  { sample, signal }: CheckOptions
): AsyncGenerator<VerifyEvent> {
  const { counts } = findings
  const { baseline, traits, entries } = await host.queue.run(() => host.recorded())
  let corrected = await correctionsOf(baseline, entries)
  // At work it goes on from version to version meanwhile; in a turn it doesn't.
  if (corrected.size > 0) {
    corrected = await host.queue.run(async () => {
      const now = await host.recorded()
      return correctionsOf(now.baseline, now.entries)
    })
  }
  if (corrected.size > 0) {
    const message = `What is remembered of ${corrected.size} paths, such as ${[...corrected.keys()][0]}, is not what the log says`
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
  yield* verifyOthers(host.folder.root, others, entryAt, traits)
  const tell = progressGate()
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
    // It may have been followed to another version meanwhile; in a turn it isn't.
    if (verdict?.type === 'damaged') verdict = await judgeAgain(host, path, corrected.get(path), signal)
    if (verdict?.type === 'damaged') findings.files.push({ path, worthless: verdict.worthless })
    yield* fileEvents(path, verdict)
    if (tell()) yield { type: 'verifying', part: 'files', done: counts.bytes, total: counts.bytesTotal }
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

/** Reads a file in a turn: nobody but its user changes it meanwhile. `undefined` where it isn't recorded any more. */
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

/** What the log says of paths where the record says something else: the record is no more than a copy of it. */
async function correctionsOf(baseline: LiveBaseline, entries: Recorded['entries']): Promise<Map<TreePath, Entry>> {
  const corrected = new Map<TreePath, Entry>()
  try {
    for await (const [path, entry] of entries ?? []) {
      if (!sameEntry(baseline.entry(path), entry)) corrected.set(path, entry)
    }
  } catch {
    corrected.clear() // What can't be read of the log was told of.
  }
  return corrected
}

/** Directories and links have no bytes to rot. */
function* verifyOthers(
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
