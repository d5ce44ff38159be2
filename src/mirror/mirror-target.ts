import type { LiveBaseline } from '../baseline/baseline.ts'
import { extentsBeyondOne } from '../baseline/totals.ts'
import type { Head } from '../format/head-codec.ts'
import type { Entry } from '../tree/entry.ts'
import { type FileSystemTraits, foldName, foldsNames } from '../tree/file-system.ts'
import { localNames, type NameCollision } from '../tree/local-names.ts'
import { refuseOrphans } from '../tree/orphans.ts'
import { ancestorsOf, parseTreePath, type TreePath } from '../tree/path.ts'
import { linkFault } from '../tree/safe-link.ts'
import { changesOfPart, type Part, PartOfTree } from '../tree/select.ts'
import { type Problem, sameVersion, type TreeView, type Version } from '../tree/tree.ts'
import type { FollowedLog } from './followed-log.ts'

/**
 * Extents that a target may have beyond one for each file, all files together. They are held in memory, at some
 * 70 bytes each: a file that was appended to or edited many thousand times has as many, a log made to harm could
 * have a million in every entry.
 */
const extentsMax = 2 ** 20

/** What a version wants of a folder, under the paths that the folder has for it. */
export interface MirrorTarget {
  readonly tree: TreeView
  /** The paths to plan for. */
  readonly paths: ReadonlySet<TreePath>
  /** Paths whose entries were refused: the folder keeps what it has there. */
  readonly refused: ReadonlySet<string>
  /** Whether the version wants at `path` exactly what the baseline records. */
  readonly isRecorded: (path: TreePath) => boolean
}

export interface TargetInput {
  readonly log: Pick<FollowedLog, 'changes' | 'entriesAt' | 'entryAt'>
  readonly baseline: LiveBaseline
  readonly version: Version
  readonly head: Head
  readonly traits: FileSystemTraits
  /** Refuses symlinks that could lead out of the folder. */
  readonly safeLinks: boolean
  /** The part of the log's tree that is wanted. */
  readonly part: Part
  /** Ends the wait for blocks of the log. */
  readonly signal: AbortSignal
  readonly onProblem: (problem: Problem) => void
  /** Called while it is made. */
  readonly onActive: () => void
}

/**
 * The version from which the log's changes lead to all that `version` wants, where there is one.
 *
 * @param complete the version that the baseline stands for to the last path
 */
export function knownSince(
  complete: Version | undefined,
  version: Version,
  traits: FileSystemTraits
): Version | undefined {
  if (complete?.fork === version.fork && complete.length <= version.length && !foldsNames(traits)) return complete
  return sameVersion(version, complete) ? version : undefined
}

/**
 * All that a version wants, whatever the folder held before.
 *
 * @param complete the version that the baseline stands for to the last path, where there is one
 */
export async function wholeTarget(input: TargetInput, complete: Version | undefined): Promise<MirrorTarget> {
  const { log, baseline, version, traits } = input
  const refusal = new Refusal(input)
  const known = knownSince(complete, version, traits)
  if (known !== undefined) return sinceComplete(input, known, refusal)
  const gathered = new PartOfTree(input.part)
  const accepts = (path: TreePath, entry: Entry) => refusal.accepts(path, entry)
  for await (const [path, entry] of log.entriesAt(version, refusal.refuse)) gathered.add(path, entry, accepts)
  const entries = gathered.end()
  for (const path of refuseOrphans([...entries.keys()].sort(), (path) => entries.get(path), refusal.refuse)) {
    entries.delete(path)
  }
  const refused = [...refusal.refusedPaths()]
  const { local, nameOf } = withLocalNames(entries, refused, refusal, traits)
  // A refused entry changes nothing: the folder keeps what it has.
  for (const path of refused) {
    const recorded = baseline.entry(nameOf(path))
    if (recorded !== undefined) local.set(nameOf(path), recorded)
  }
  const paths = new Set([...local.keys(), ...baseline.records.keys()])
  return { tree: local, paths, refused: refusal.paths, isRecorded: () => false }
}

/** All that a version wants, where the baseline stands for an earlier one: the recorded entries, and the changes since. */
async function sinceComplete(input: TargetInput, complete: Version, refusal: Refusal): Promise<MirrorTarget> {
  const { baseline } = input
  // An unsafe link that is there already stays, as every refused entry does, but is reported.
  if (input.safeLinks) for (const [path, { entry }] of baseline.records) refusal.acceptsLink(path, entry)
  const changed = await changedTarget(input, complete, new Map())
  return {
    tree: changed.tree,
    paths: new Set([...baseline.records.keys(), ...changed.paths]),
    refused: new Set([...refusal.paths, ...changed.refused]),
    isRecorded: (path) => !changed.paths.has(path)
  }
}

/** Gives entries local names: others than the log's where the file system takes two of those for one. */
function withLocalNames(
  entries: Map<TreePath, Entry>,
  refused: readonly TreePath[],
  refusal: Refusal,
  traits: FileSystemTraits
): { readonly local: Map<TreePath, Entry>; nameOf(path: TreePath): TreePath } {
  if (!foldsNames(traits)) return { local: entries, nameOf: (path) => path }
  // Refused paths count: an earlier version of them may still be in the folder.
  const { of, collisions } = localNames([...entries.keys(), ...refused], (name) => foldName(name, traits))
  const local = new Map<TreePath, Entry>()
  for (const [path, entry] of entries) local.set(of(path), entry)
  for (const collision of collisions) {
    if (!refusal.paths.has(collision.path)) refusal.refuse(collisionProblem(collision))
  }
  return { local, nameOf: of }
}

function collisionProblem({ path, other, keptAs }: NameCollision): Problem {
  const message = `The file system here doesn't tell it from ${other}. It is kept as ${keptAs}`
  return { path, action: 'write', message }
}

/**
 * What has changed since an applied version, and the pending paths.
 *
 * @param applied a version of the same fork that isn't later
 * @param pending what earlier versions wanted at paths that could not be written
 */
export async function changedTarget(
  input: TargetInput,
  applied: Version,
  pending: ReadonlyMap<TreePath, Entry | undefined>
): Promise<MirrorTarget> {
  const { log, baseline, version, part, signal } = input
  const refusal = new Refusal(input, baseline)
  const changes = sameVersion(applied, version)
    ? new Map(pending)
    : await changesOfPart({
        changes: log.changes(applied, version, refusal.refuse),
        part,
        before: { entry: (path) => baseline.entry(path), keys: () => baseline.records.keys() },
        pending,
        accepts: (path, entry) => refusal.accepts(path, entry),
        entryAt: (path) => log.entryAt(version, path, signal)
      })
  const entryAt = (path: TreePath) => (changes.has(path) ? changes.get(path) : baseline.entry(path))
  for (const path of refuseOrphans([...changes.keys()].sort(), entryAt, refusal.refuse)) changes.delete(path)

  const paths = new Set<TreePath>()
  for (const path of changes.keys()) {
    paths.add(path)
    for (const above of ancestorsOf(path)) paths.add(above)
  }
  return { tree: { get: entryAt }, paths, refused: refusal.paths, isRecorded: () => false }
}

/** Judges the entries of a log, and reports and remembers those that it refuses. */
class Refusal {
  readonly paths = new Set<string>()
  readonly #input: TargetInput
  readonly #unchanged: LiveBaseline | undefined
  #extents: number

  /** @param unchanged the entries that the target has besides the judged ones, except at the same paths */
  constructor(input: TargetInput, unchanged?: LiveBaseline) {
    this.#input = input
    this.#unchanged = unchanged
    this.#extents = unchanged?.totals.extents ?? 0
  }

  readonly refuse = (problem: Problem): void => {
    if (!this.#isOfPart(problem.path)) return
    this.paths.add(problem.path)
    this.#input.onProblem(problem)
  }

  /** Outside the wanted part, problems concern nobody. */
  #isOfPart(text: string): boolean {
    const { part, baseline } = this.#input
    const path = parseTreePath(text)
    if (part.isAll || path === undefined || baseline.entry(path) !== undefined) return true
    return part.has(path, 'file') || part.has(path, 'directory')
  }

  /** Those refused that are paths at all. */
  *refusedPaths(): Generator<TreePath> {
    for (const text of this.paths) {
      const path = parseTreePath(text)
      if (path !== undefined) yield path
    }
  }

  /** Whether an entry is one to follow, as far as that shows without its neighbours. */
  accepts(path: TreePath, entry: Entry): boolean {
    this.#input.onActive()
    if (entry.type !== 'file') return this.acceptsLink(path, entry)
    const { contentLength } = this.#input.head
    if (entry.extents.some(({ block, blocks }) => block + blocks > contentLength)) {
      this.refuse({ path, action: 'log', message: 'Refused: an extent outside the content core' })
      return false
    }
    const more = extentsBeyondOne(entry) - extentsBeyondOne(this.#unchanged?.entry(path))
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
