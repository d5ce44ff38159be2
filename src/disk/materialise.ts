import { chmodSync, lstatSync, mkdirSync, readlinkSync, renameSync, rmdirSync, type Stats, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { debuglog } from 'node:util'
import { messageOf, SyncError, systemCode } from '../errors.ts'
import { reached } from '../steps.ts'
import type { BaselineRecord, Seen } from '../tree/diff.ts'
import { type DirectoryEntry, type Entry, type FileEntry, permissionBits } from '../tree/entry.ts'
import { baseName, childPath, parentPath, type TreePath } from '../tree/path.ts'
import type { Step } from '../tree/plan.ts'
import type { Problem } from '../tree/tree.ts'
import { Beneath, isAbsence } from './beneath.ts'
import { conflictName } from './conflict-name.ts'
import { makeDurable } from './durable.ts'
import { setMetadata } from './metadata.ts'
import { readChunks } from './read.ts'
import { mtimeOf, signatureOf } from './seen.ts'
import type { ContentSource, Staging } from './stage.ts'

const trace = debuglog('p2psync:disk')

/** What has become true of the folder, and is durable: to be recorded in the baseline. */
export interface Applied {
  readonly put: ReadonlyMap<TreePath, BaselineRecord>
  readonly removed: ReadonlySet<TreePath>
}

export interface MaterialiseInput {
  readonly root: string
  readonly staging: Staging
  readonly source: ContentSource
  readonly steps: readonly Step[]
  /** What stood at the paths when the plan was made; a path that has changed since is left alone. */
  readonly observed: ReadonlyMap<TreePath, Seen>
  /** Paths where what stands there is to be kept under another name. */
  readonly conflicts: ReadonlySet<TreePath>
  /** The entry that a directory shall have once all is done. */
  readonly directoryEntry: (path: TreePath) => DirectoryEntry | undefined
}

export interface MaterialiseOptions {
  readonly host: string
  readonly now: () => Date
  readonly signal: AbortSignal
  /** Throws when the folder isn't the one it was; asked before it is changed. */
  readonly guard: () => void
  readonly onApplied: (applied: Applied) => Promise<void>
  readonly onProblem: (problem: Problem) => void
  readonly onConflict: (path: TreePath, keptAs: TreePath) => void
  readonly onBytes: (bytes: number) => void
}

/** The folder's batch of work, after which it is made durable and recorded. */
const batchBytesMax = 64 * 1024 * 1024
const batchStepsMax = 8000
/** What may be in memory on its way from the source to the staged files. */
const stagingBytesMax = 24 * 1024 * 1024
const stagingFilesMax = 32
/** What a large file may have on its way at once; it counts as this much. */
const fileBytesInFlight = 8 * 1024 * 1024

type WriteStep = Extract<Step, { op: 'write' }>
type MoveStep = Extract<Step, { op: 'move' }>
interface Staged {
  readonly step: WriteStep
  readonly at: string
}

/**
 * Makes a folder follow a plan. At every instant each path is the old or the new whole: contents are
 * staged and verified, made durable, and renamed into place. A path that fails, or that was changed
 * since the plan was made, is reported and left as it is; the others go on.
 *
 * @returns the paths that were left out because they changed meanwhile: to be planned again
 * @throws {SyncError} DISK_FULL; the signal's reason
 */
export async function materialise(input: MaterialiseInput, options: MaterialiseOptions): Promise<readonly TreePath[]> {
  const work = new Work(input, options)
  try {
    await work.run()
  } finally {
    work.release()
  }
  return work.changedMeanwhile
}

class Work {
  readonly changedMeanwhile: TreePath[] = []
  readonly #input: MaterialiseInput
  readonly #options: MaterialiseOptions
  readonly #beneath: Beneath
  readonly #movedFrom: Beneath
  /** Directories whose time, and mode where it was widened, is to be put right at the end. */
  readonly #touched = new Map<TreePath, { mode: number | undefined }>()
  readonly #planned = new Set<TreePath>()
  readonly #removing = new Set<TreePath>()
  #put = new Map<TreePath, BaselineRecord>()
  #removed = new Set<TreePath>()
  #dirtyDirectories = new Set<string>()

  constructor(input: MaterialiseInput, options: MaterialiseOptions) {
    this.#input = input
    this.#options = options
    this.#beneath = new Beneath(input.root)
    this.#movedFrom = new Beneath(input.root)
    for (const step of input.steps) if (step.op === 'remove') this.#removing.add(step.path)
  }

  release(): void {
    this.#beneath.release()
    this.#movedFrom.release()
  }

  async run(): Promise<void> {
    const { steps } = this.#input
    this.#options.guard()
    for (const step of steps)
      if (step.op === 'make-directory') this.#attempt(step, () => this.#makeDirectory(step.path))
    const late: Staged[] = []
    const writes = this.#moves(steps)
    await this.#writes([...writes, ...steps.filter((step) => step.op === 'write')], late)
    for (const step of steps) if (step.op === 'remove') this.#attempt(step, () => this.#remove(step.path, step.entry))
    await this.#place(late)
    for (const step of steps) {
      if (step.op === 'set-metadata') this.#attempt(step, () => this.#setMetadata(step.path, step.entry))
    }
    this.#finishDirectories()
    reached('directories-finished')
    await this.#record()
  }

  // Step by step

  #makeDirectory(path: TreePath): void {
    const stats = this.#clear(path)
    if (stats !== undefined && !stats.isDirectory()) this.#inParent(path, (at) => unlinkSync(at))
    if (stats === undefined || !stats.isDirectory()) {
      this.#inParent(path, (at) => mkdirSync(at, 0o700))
      reached('directory-made')
    }
    this.#planned.add(path)
  }

  /** Renames what has moved; the answer is what has changed since and must be written. */
  #moves(steps: readonly Step[]): WriteStep[] {
    const writes: WriteStep[] = []
    for (const step of steps) {
      if (step.op !== 'move') continue
      this.#attempt(step, () => {
        if (this.#move(step)) return
        writes.push({ op: 'write', path: step.path, entry: step.entry })
        this.changedMeanwhile.push(step.from)
      })
    }
    return writes
  }

  #move(step: MoveStep): boolean {
    const from = this.#movedFrom.stat(step.from)
    const expected = this.#input.observed.get(step.from)
    if (from === undefined || !isStill(expected, from, () => '')) return false
    this.#clear(step.path)
    this.#inParent(step.path, (at) => {
      this.#inParentOf(this.#movedFrom, step.from, (from) => renameSync(from, at))
    })
    reached('moved')
    const at = this.#beneath.locate(step.path)
    setMetadata(at, step.entry)
    this.#wrote(step.path, step.entry, lstatSync(at))
    this.#wentFrom(step.from)
    return true
  }

  #remove(path: TreePath, entry: Entry): void {
    const stats = this.#beneath.stat(path)
    if (stats !== undefined && !this.#unchanged(path, stats)) throw new ChangedMeanwhile()
    if (stats?.isDirectory() && entry.type === 'directory') {
      try {
        this.#inParent(path, (at) => rmdirSync(at))
      } catch (error) {
        // The user's own files are in it: it becomes the user's own too.
        if (systemCode(error) !== 'ENOTEMPTY' && systemCode(error) !== 'EEXIST') throw error
      }
      this.release()
    } else if (stats !== undefined && !stats.isDirectory()) {
      this.#inParent(path, (at) => unlinkSync(at))
    }
    reached('removed')
    this.#wentFrom(path)
  }

  #setMetadata(path: TreePath, entry: Entry): void {
    if (entry.type === 'directory') {
      this.#planned.add(path)
      return
    }
    const at = this.#beneath.locate(path)
    if (!this.#unchanged(path, lstatSync(at))) throw new ChangedMeanwhile()
    setMetadata(at, entry)
    reached('metadata-set')
    this.#wrote(path, entry, lstatSync(at))
  }

  /** Modes and times of directories come last: whatever happens in one changes its time. */
  #finishDirectories(): void {
    for (const path of [...new Set([...this.#touched.keys(), ...this.#planned])].sort().reverse()) {
      const entry = this.#input.directoryEntry(path)
      if (entry === undefined) continue
      try {
        const at = this.#beneath.locate(path)
        const stats = lstatSync(at)
        if (!stats.isDirectory()) continue
        if (this.#planned.has(path)) {
          setMetadata(at, entry)
          this.#put.set(path, { entry, signature: '' })
        } else {
          // Its mode is its owner's business: only its time has changed by our doing.
          setMetadata(at, { ...entry, mode: this.#touched.get(path)?.mode ?? stats.mode & permissionBits })
        }
      } catch (error) {
        if (!isAbsence(error)) this.#problem(path, 'write', error)
      }
    }
    this.release()
  }

  // Writing

  async #writes(steps: readonly WriteStep[], late: Staged[]): Promise<void> {
    const batches = [...batchesOf(steps)]
    // The next batch is on its way while one is put in place.
    let next = batches[0] && this.#stage(batches[0])
    for (let i = 0; next !== undefined; i++) {
      const staged = await next
      const following = batches[i + 1]
      next = following && this.#stage(following)
      next?.catch(() => {}) // It is awaited in the next round, or below.
      const isLate = ({ step }: Staged) => this.#input.observed.get(step.path)?.type === 'directory'
      late.push(...staged.filter(isLate))
      try {
        await this.#place(staged.filter((item) => !isLate(item)))
        await this.#record()
      } catch (error) {
        // Nothing goes on behind the back of whoever hears of this.
        for (const { at } of (await next?.catch(() => [])) ?? []) this.#input.staging.discard(at)
        throw error
      }
    }
  }

  async #stage(steps: readonly WriteStep[]): Promise<Staged[]> {
    const staged: Staged[] = []
    const todo = [...steps].reverse()
    let bytesInFlight = 0
    let failure: unknown
    const running = new Set<Promise<void>>()
    while (todo.length > 0 && failure === undefined) {
      const step = todo.pop() as WriteStep
      const cost = step.entry.type === 'file' ? Math.min(step.entry.size, fileBytesInFlight) : 0
      while (running.size >= stagingFilesMax || (running.size > 0 && bytesInFlight + cost > stagingBytesMax)) {
        await Promise.race(running)
      }
      bytesInFlight += cost
      const task = this.#stageOne(step)
        .then((at) => void staged.push({ step, at }))
        .catch((error: unknown) => {
          if (isFatal(error, this.#options.signal)) failure = fatal(error)
          else this.#problem(step.path, systemCode(error) === undefined ? 'fetch' : 'write', error)
        })
        .finally(() => {
          bytesInFlight -= cost
          running.delete(task)
        })
      running.add(task)
    }
    await Promise.all(running)
    if (failure !== undefined) {
      for (const { at } of staged) this.#input.staging.discard(at)
      throw failure
    }
    return staged
  }

  async #stageOne({ entry, copyOf }: WriteStep): Promise<string> {
    const { staging, source, root } = this.#input
    if (entry.type === 'symlink') return staging.symlink(entry)
    if (copyOf !== undefined) {
      try {
        return await staging.file(entry, bytesOf(readChunks(root, copyOf, this.#options.signal)), this.#options.onBytes)
      } catch (error) {
        if (isFatal(error, this.#options.signal)) throw error
        // It has changed since the plan was made; the log has the content too.
      }
    }
    this.#options.signal.throwIfAborted()
    return staging.file(entry, source.read(entry, this.#options.signal), this.#options.onBytes)
  }

  async #place(staged: readonly Staged[]): Promise<void> {
    const { staging } = this.#input
    if (staged.length === 0) return
    trace('%d files staged', staged.length)
    const files = staged.filter(({ step }) => step.entry.type === 'file')
    await makeDurable(new Set(files.map(({ at }) => at)), staging.directory)
    trace('they are durable')
    reached('staged-durable')
    this.#options.guard()
    // Parents before what they hold, and file after file of one directory.
    for (const { step, at } of [...staged].sort((a, b) => (a.step.path < b.step.path ? -1 : 1))) {
      let placed = false
      this.#attempt(step, () => {
        this.#placeOne(step, at)
        placed = true
      })
      if (!placed) staging.discard(at)
    }
    this.release()
  }

  #placeOne({ path, entry }: WriteStep, staged: string): void {
    const stats = this.#clear(path)
    if (stats?.isDirectory()) this.#clearDirectory(path)
    this.#inParent(path, (at) => renameSync(staged, at))
    reached('placed')
    this.#wrote(path, entry, lstatSync(this.#beneath.locate(path)))
  }

  /** A directory whose entries are gone makes way; with the user's files in it, it is kept aside. */
  #clearDirectory(path: TreePath): void {
    try {
      this.#inParent(path, (at) => rmdirSync(at))
    } catch (error) {
      if (systemCode(error) !== 'ENOTEMPTY' && systemCode(error) !== 'EEXIST') throw error
      this.#setAside(path)
    }
    this.release()
  }

  /**
   * Checks that what stands at a path is what the plan was made for, and sets a conflict aside.
   *
   * @returns what stands there afterwards
   */
  #clear(path: TreePath): Stats | undefined {
    const stats = this.#beneath.stat(path)
    if (stats !== undefined && !isOfTree(stats)) throw new Error('A FIFO, socket or device is in the way. Move it away')
    if (!this.#unchanged(path, stats)) throw new ChangedMeanwhile()
    if (stats === undefined || !this.#input.conflicts.has(path)) return stats
    this.#setAside(path)
    return undefined
  }

  #setAside(path: TreePath): void {
    const { host, now, onConflict } = this.#options
    for (let attempt = 1; ; attempt++) {
      const keptAs = childPath(parentPath(path), conflictName(baseName(path), now(), host, attempt))
      if (this.#beneath.stat(keptAs) !== undefined) continue
      this.#inParent(path, (at, parent) => renameSync(at, join(parent, baseName(keptAs))))
      this.release()
      reached('set-aside')
      onConflict(path, keptAs)
      return
    }
  }

  #unchanged(path: TreePath, stats: Stats | undefined): boolean {
    return isStill(this.#input.observed.get(path), stats, () => readlinkSync(this.#beneath.locate(path)))
  }

  // Keeping account

  #attempt(step: Step, act: () => unknown): void {
    try {
      act()
    } catch (error) {
      if (step.op === 'move') this.changedMeanwhile.push(step.from)
      if (error instanceof ChangedMeanwhile) this.changedMeanwhile.push(step.path)
      else if (isFatal(error, this.#options.signal)) throw fatal(error)
      else this.#problem(step.path, step.op === 'remove' ? 'remove' : 'write', error)
    }
  }

  /** Acts on a path; where its directory is ours and not writable, it is made so for the while. */
  #inParent(path: TreePath, act: (at: string, parent: string) => void): void {
    this.#inParentOf(this.#beneath, path, act)
  }

  #inParentOf(beneath: Beneath, path: TreePath, act: (at: string, parent: string) => void): void {
    const parent = parentPath(path)
    const directory = beneath.directory(parent)
    this.#dirtyDirectories.add(join(this.#input.root, parent))
    this.#touch(parent)
    const at = `${directory}/${baseName(path)}`
    try {
      act(at, directory)
    } catch (error) {
      if (systemCode(error) !== 'EACCES' || !this.#isOurs(parent)) throw error
      this.#widen(parent, directory)
      act(at, directory)
    }
  }

  #isOurs(path: TreePath | ''): path is TreePath {
    if (path === '') return false
    return this.#input.directoryEntry(path) !== undefined || this.#removing.has(path)
  }

  #touch(path: TreePath | ''): void {
    if (path !== '' && !this.#touched.has(path)) this.#touched.set(path, { mode: undefined })
  }

  #widen(path: TreePath, directory: string): void {
    const mode = lstatSync(`${directory}/.`).mode & permissionBits
    this.#touched.set(path, { mode })
    chmodSync(directory, mode | 0o700)
  }

  #wrote(path: TreePath, entry: Entry, stats: Stats): void {
    const ours = entry.type === 'file' && stats.size === entry.size && mtimeOf(stats) === entry.mtimeMs
    this.#put.set(path, { entry, signature: ours ? signatureOf(stats) : '' })
    this.#removed.delete(path)
  }

  #wentFrom(path: TreePath): void {
    this.#dirtyDirectories.add(join(this.#input.root, parentPath(path)))
    this.#touch(parentPath(path))
    this.#touched.delete(path)
    if (!this.#put.has(path)) this.#removed.add(path)
  }

  async #record(): Promise<void> {
    if (this.#put.size === 0 && this.#removed.size === 0) return
    const applied: Applied = { put: this.#put, removed: this.#removed }
    const directories = this.#dirtyDirectories
    this.#put = new Map()
    this.#removed = new Set()
    this.#dirtyDirectories = new Set()
    await makeDurable(directories, this.#input.root)
    trace('%d paths done', applied.put.size + applied.removed.size)
    reached('folder-durable')
    await this.#options.onApplied(applied)
  }

  #problem(path: TreePath, action: Problem['action'], error: unknown): void {
    this.#options.onProblem({ path, action, message: messageOf(error) })
  }
}

/** Somebody changed the path after the plan was made. */
class ChangedMeanwhile extends Error {}

function isStill(expected: Seen | undefined, stats: Stats | undefined, linkTarget: () => string): boolean {
  if (expected === undefined || stats === undefined) return expected === stats
  if (expected.type === 'directory') return stats.isDirectory()
  if (expected.type === 'symlink') return stats.isSymbolicLink() && linkTarget() === expected.target
  return stats.isFile() && signatureOf(stats) === expected.signature
}

/** Whether it is of a kind that a tree can hold. */
function isOfTree(stats: Stats): boolean {
  return stats.isFile() || stats.isDirectory() || stats.isSymbolicLink()
}

function isFatal(error: unknown, signal: AbortSignal): boolean {
  return signal.aborted || error instanceof SyncError || isDiskFull(error)
}

function isDiskFull(error: unknown): boolean {
  return systemCode(error) === 'ENOSPC' || systemCode(error) === 'EDQUOT'
}

function fatal(error: unknown): unknown {
  if (!isDiskFull(error)) return error
  return new SyncError('DISK_FULL', 'The disk is full. What was there is whole; it goes on when there is space', {
    cause: error
  })
}

function* batchesOf(steps: readonly WriteStep[]): Generator<WriteStep[]> {
  let batch: WriteStep[] = []
  let bytes = 0
  for (const step of steps) {
    batch.push(step)
    bytes += (step.entry as Partial<FileEntry>).size ?? 0
    if (batch.length < batchStepsMax && bytes < batchBytesMax) continue
    yield batch
    batch = []
    bytes = 0
  }
  if (batch.length > 0) yield batch
}

async function* bytesOf(chunks: AsyncIterable<{ readonly bytes: Uint8Array }>): AsyncGenerator<Uint8Array> {
  for await (const { bytes } of chunks) yield bytes
}
