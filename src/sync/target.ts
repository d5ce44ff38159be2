import type { Head } from '../format/head-codec.ts'
import type { LogReader } from '../log/reader.ts'
import type { Entry } from '../tree/entry.ts'
import { ancestorsOf, type TreePath } from '../tree/path.ts'
import { refuseHomeless } from '../tree/target.ts'
import { type Problem, sameVersion, type TreeView, type Version } from '../tree/tree.ts'
import type { LiveBaseline } from './baseline.ts'

/** What a version wants of a folder, as far as it is to be planned for. */
export interface Wanted {
  readonly target: TreeView
  /** The paths to plan for. */
  readonly paths: ReadonlySet<TreePath>
  /** Paths whose entries are no good: they stay as they were. */
  readonly refused: ReadonlySet<string>
}

/** What a target is made from. */
export interface TargetInput {
  readonly reader: LogReader
  readonly baseline: LiveBaseline
  readonly version: Version
  readonly head: Head
  /** The version that the baseline stands for, path by path, as far as it was noted. */
  readonly applied: Version | undefined
  readonly onProblem: (problem: Problem) => void
}

/** All that a version wants, whatever was there before. */
export async function wholeTarget({
  reader,
  baseline,
  version,
  head,
  applied,
  onProblem
}: TargetInput): Promise<Wanted> {
  const refusal = new Refusal(onProblem)
  if (sameVersion(version, applied)) {
    // Applied to the last path, or it would not be noted: the baseline is what it wants.
    const target: TreeView = { get: (path) => baseline.entry(path) }
    return { target, paths: new Set(baseline.records.keys()), refused: refusal.paths }
  }
  const target = new Map<TreePath, Entry>()
  for await (const [path, entry] of reader.entriesAt(version, refusal.refuse)) {
    if (refusal.accepts(path, entry, head)) target.set(path, entry)
  }
  for (const path of refuseHomeless([...target.keys()].sort(), (path) => target.get(path), refusal.refuse)) {
    target.delete(path)
  }
  // What is refused changes nothing: it stays as it was.
  for (const [path, { entry }] of baseline.records) if (refusal.paths.has(path)) target.set(path, entry)
  return { target, paths: new Set([...target.keys(), ...baseline.records.keys()]), refused: refusal.paths }
}

/**
 * What has changed since the version that was applied last, and what is owed.
 *
 * @param owed what earlier versions wanted and couldn't be done
 */
export async function changedTarget(
  { reader, baseline, version, head, applied, onProblem }: TargetInput,
  owed: ReadonlyMap<TreePath, Entry | undefined>
): Promise<Wanted> {
  const refusal = new Refusal(onProblem)
  const changes = new Map(owed)
  if (!sameVersion(applied, version)) {
    for await (const [path, entry] of reader.changes(applied as Version, version, refusal.refuse)) {
      if (entry === undefined || refusal.accepts(path, entry, head)) changes.set(path, entry)
    }
  }
  const entryAt = (path: TreePath) => (changes.has(path) ? changes.get(path) : baseline.entry(path))
  for (const path of refuseHomeless([...changes.keys()].sort(), entryAt, refusal.refuse)) changes.delete(path)

  const paths = new Set<TreePath>()
  for (const path of changes.keys()) {
    paths.add(path)
    for (const above of ancestorsOf(path)) paths.add(above)
  }
  return { target: { get: entryAt }, paths, refused: refusal.paths }
}

/** Reports what is refused of a log, and remembers where. */
class Refusal {
  readonly paths = new Set<string>()
  readonly #onProblem: (problem: Problem) => void

  constructor(onProblem: (problem: Problem) => void) {
    this.#onProblem = onProblem
  }

  readonly refuse = (problem: Problem): void => {
    this.paths.add(problem.path)
    this.#onProblem(problem)
  }

  /** Whether an entry is one to follow, as far as it can be told without its neighbours. */
  accepts(path: TreePath, entry: Entry, head: Head): boolean {
    if (entry.type !== 'file') return true
    const beyond = entry.extents.some(({ block, blocks }) => block + blocks > head.contentLength)
    if (beyond) this.refuse({ path, action: 'log', message: 'Refused: an extent outside the content core' })
    return !beyond
  }
}
