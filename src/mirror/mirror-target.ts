import type { LiveBaseline } from '../baseline/baseline.ts'
import { extentsBeyondOne } from '../baseline/totals.ts'
import type { Head } from '../format/head-codec.ts'
import type { LogReader } from '../log/reader.ts'
import type { Entry } from '../tree/entry.ts'
import { type FileSystemTraits, foldName, foldsNames } from '../tree/file-system.ts'
import { localNames, type NameCollision } from '../tree/local-names.ts'
import { refuseOrphans } from '../tree/orphans.ts'
import { ancestorsOf, parseTreePath, type TreePath } from '../tree/path.ts'
import { linkFault } from '../tree/safe-link.ts'
import { changesOfPart, type Part, PartOfTree } from '../tree/select.ts'
import { type Problem, sameVersion, type TreeView, type Version } from '../tree/tree.ts'

/**
 * Extents that a target may have beyond one for each file, all files together. They are held in memory, at some
 * 70 bytes each: a file that was appended to or edited many thousand times has as many, a log made to harm could
 * have a million in every entry.
 */
const extentsMax = 2 ** 20

/** What a version wants of a folder, as far as it is to be planned for, by the paths that the folder has for it. */
export interface Wanted {
  readonly target: TreeView
  /** The paths to plan for. */
  readonly paths: ReadonlySet<TreePath>
  /** Paths whose entries are no good: they stay as they were. */
  readonly refused: ReadonlySet<string>
  /** Whether the version wants at `path` what is recorded of it, and nothing else. */
  readonly isRecorded: (path: TreePath) => boolean
}

/** What a target is made from. */
export interface TargetInput {
  readonly reader: LogReader
  readonly baseline: LiveBaseline
  readonly version: Version
  readonly head: Head
  /** The version that the baseline stands for, path by path, as far as it was noted. */
  readonly applied: Version | undefined
  readonly traits: FileSystemTraits
  /** Refuses symlinks that could lead out of the folder. */
  readonly safeLinks: boolean
  /** The part of the log's tree that is wanted. */
  readonly part: Part
  /** Ends the wait for what isn't here of the log. */
  readonly signal: AbortSignal
  readonly onProblem: (problem: Problem) => void
  /** Called while it is made. */
  readonly onActive: () => void
}

/** The version since which the changes tell all that `version` wants: one that was applied, to the last path, and isn't later. */
export function knownSince(
  applied: Version | undefined,
  version: Version,
  traits: FileSystemTraits
): Version | undefined {
  if (applied?.fork === version.fork && applied.length <= version.length && !foldsNames(traits)) return applied
  return sameVersion(version, applied) ? version : undefined
}

/** All that a version wants, whatever was there before. */
export async function wholeTarget(input: TargetInput): Promise<Wanted> {
  const { reader, baseline, version, applied, traits } = input
  const refusal = new Refusal(input)
  const known = knownSince(applied, version, traits)
  if (known !== undefined) return sinceApplied(input, known, refusal)
  const wanted = new PartOfTree(input.part)
  const accepts = (path: TreePath, entry: Entry) => refusal.accepts(path, entry)
  for await (const [path, entry] of reader.entriesAt(version, refusal.refuse)) wanted.add(path, entry, accepts)
  const target = wanted.end()
  for (const path of refuseOrphans([...target.keys()].sort(), (path) => target.get(path), refusal.refuse)) {
    target.delete(path)
  }
  const refused = [...refusal.known()]
  const { local, of } = placed(target, refused, refusal, traits)
  // What is refused changes nothing: it stays as it was.
  for (const path of refused) {
    const was = baseline.entry(of(path))
    if (was !== undefined) local.set(of(path), was)
  }
  const paths = new Set([...local.keys(), ...baseline.records.keys()])
  return { target: local, paths, refused: refusal.paths, isRecorded: () => false }
}

/**
 * All that a version wants, where an earlier one was applied to the last path, or it would not be noted: what is
 * recorded, but for what has changed since.
 */
async function sinceApplied(input: TargetInput, applied: Version, known: Refusal): Promise<Wanted> {
  const { baseline } = input
  // It stays, as all that is refused, but not unsaid.
  if (input.safeLinks) for (const [path, { entry }] of baseline.records) known.acceptsLink(path, entry)
  const since = await changedTarget({ ...input, applied }, new Map())
  return {
    target: since.target,
    paths: new Set([...baseline.records.keys(), ...since.paths]),
    refused: new Set([...known.paths, ...since.refused]),
    isRecorded: (path) => !since.paths.has(path)
  }
}

/** A target by the paths that the folder has for it: others than the log's where its file system takes two for one. */
function placed(
  target: Map<TreePath, Entry>,
  refused: readonly TreePath[],
  refusal: Refusal,
  traits: FileSystemTraits
): { readonly local: Map<TreePath, Entry>; of(path: TreePath): TreePath } {
  if (!foldsNames(traits)) return { local: target, of: (path) => path }
  // With what is refused, which may still be there from an earlier version.
  const { of, twins } = localNames([...target.keys(), ...refused], (name) => foldName(name, traits))
  const local = new Map<TreePath, Entry>()
  for (const [path, entry] of target) local.set(of(path), entry)
  for (const twin of twins) if (!refusal.paths.has(twin.path)) refusal.refuse(twinProblem(twin))
  return { local, of }
}

function twinProblem({ path, other, keptAs }: NameCollision): Problem {
  const message = `The file system here doesn't tell it from ${other}. It is kept as ${keptAs}`
  return { path, action: 'write', message }
}

/**
 * What has changed since the version that was applied last, and what is owed.
 *
 * @param owed what earlier versions wanted and couldn't be done
 */
export async function changedTarget(
  input: TargetInput,
  owed: ReadonlyMap<TreePath, Entry | undefined>
): Promise<Wanted> {
  const { reader, baseline, version, applied, part, signal } = input
  const refusal = new Refusal(input, baseline)
  const changes = sameVersion(applied, version)
    ? new Map(owed)
    : await changesOfPart({
        changes: reader.changes(applied as Version, version, refusal.refuse),
        part,
        before: { entry: (path) => baseline.entry(path), keys: () => baseline.records.keys() },
        owed,
        accepts: (path, entry) => refusal.accepts(path, entry),
        entryAt: (path) => reader.entryAt(version, path, signal)
      })
  const entryAt = (path: TreePath) => (changes.has(path) ? changes.get(path) : baseline.entry(path))
  for (const path of refuseOrphans([...changes.keys()].sort(), entryAt, refusal.refuse)) changes.delete(path)

  const paths = new Set<TreePath>()
  for (const path of changes.keys()) {
    paths.add(path)
    for (const above of ancestorsOf(path)) paths.add(above)
  }
  return { target: { get: entryAt }, paths, refused: refusal.paths, isRecorded: () => false }
}

/** Reports what is refused of a log, and remembers where. */
class Refusal {
  readonly paths = new Set<string>()
  readonly #input: TargetInput
  readonly #kept: LiveBaseline | undefined
  #extents: number

  /** @param kept what stays of the target beside what is judged, but for the same paths */
  constructor(input: TargetInput, kept?: LiveBaseline) {
    this.#input = input
    this.#kept = kept
    this.#extents = kept?.totals.extents ?? 0
  }

  readonly refuse = (problem: Problem): void => {
    if (!this.#isWanted(problem.path)) return
    this.paths.add(problem.path)
    this.#input.onProblem(problem)
  }

  /** What is wrong where nothing is wanted is nobody's concern. */
  #isWanted(text: string): boolean {
    const { part, baseline } = this.#input
    const path = parseTreePath(text)
    if (part.isAll || path === undefined || baseline.entry(path) !== undefined) return true
    return part.has(path, 'file') || part.has(path, 'directory')
  }

  /** What was refused and is a path at all. */
  *known(): Generator<TreePath> {
    for (const text of this.paths) {
      const path = parseTreePath(text)
      if (path !== undefined) yield path
    }
  }

  /** Whether an entry is one to follow, as far as it can be told without its neighbours. */
  accepts(path: TreePath, entry: Entry): boolean {
    this.#input.onActive()
    if (entry.type !== 'file') return this.acceptsLink(path, entry)
    const { contentLength } = this.#input.head
    if (entry.extents.some(({ block, blocks }) => block + blocks > contentLength)) {
      this.refuse({ path, action: 'log', message: 'Refused: an extent outside the content core' })
      return false
    }
    const more = extentsBeyondOne(entry) - extentsBeyondOne(this.#kept?.entry(path))
    if (this.#extents + more > extentsMax) {
      this.refuse({ path, action: 'log', message: `Refused: with it the log would have over ${extentsMax} extents` })
      return false
    }
    this.#extents += more
    return true
  }

  /** Whether `entry` is no link, or one to follow. */
  acceptsLink(path: TreePath, entry: Entry): boolean {
    if (!this.#input.safeLinks || entry.type !== 'symlink') return true
    const fault = linkFault(path, entry.target)
    if (fault !== undefined) this.refuse({ path, action: 'log', message: `Refused by --safe-links: ${fault}` })
    return fault === undefined
  }
}
