import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { debuglog } from 'node:util'
import { isDiskFull, messageOf, SyncError } from '../../errors.ts'
import { reached } from '../../failpoints.ts'
import type { BlockRef } from '../../tree/block-ref.ts'
import type { BaselineRecord, Seen } from '../../tree/diff.ts'
import { type DirectoryEntry, type Entry, type FileEntry, permissionBits } from '../../tree/entry.ts'
import type { TreePath } from '../../tree/path.ts'
import type { Step } from '../../tree/plan.ts'
import type { Problem } from '../../tree/tree.ts'
import { isAbsence } from '../path/beneath.ts'
import { makeDurable } from '../path/durable.ts'
import { setMetadata } from '../path/metadata.ts'
import { Parents } from '../path/parents.ts'
import { readChunks } from '../read/read.ts'
import { withSharedBytes } from '../threads/shared-bytes.ts'
import { unpackError } from '../threads/worker-port.ts'
import type { Workers } from '../threads/workers.ts'
import type { Keeping } from './kept-directory.ts'
import { ChangedMeanwhile, Placer } from './placer.ts'
import { type ContentSource, type Staging, stagingFault, WrongContent } from './stage.ts'
import type { SmallFileToStage } from './stage-files.ts'
import { type StageGroup, stageGroups, type WriteStep } from './stage-groups.ts'

const trace = debuglog('p2psync:disk')

/** Durable changes of the folder, to record in the baseline. */
export interface Applied {
  readonly put: ReadonlyMap<TreePath, BaselineRecord>
  readonly removed: ReadonlySet<TreePath>
}

export interface MaterialiseInput {
  readonly root: string
  readonly staging: Staging
  readonly source: ContentSource
  /** Threads that stage small files. */
  readonly workers: Workers
  readonly steps: readonly Step[]
  /** The local state of the paths when the plan was made; a path that has changed since stays as it is. */
  readonly observed: ReadonlyMap<TreePath, Seen>
  /** Paths whose local content must be kept under a conflict name. */
  readonly conflicts: ReadonlySet<TreePath>
  /** Keeps replaced and removed files; without it none are kept. */
  readonly keeping?: Keeping | undefined
  /** The entry of a directory after the plan. */
  readonly directoryEntry: (path: TreePath) => DirectoryEntry | undefined
}

export interface MaterialiseOptions {
  readonly host: string
  readonly now: () => Date
  readonly signal: AbortSignal
  /** Called before changes with a name of the directory; throws unless it is the folder. */
  readonly guard: (at: string) => void
  readonly onApplied: (applied: Applied) => Promise<void>
  readonly onProblem: (problem: Problem) => void
  readonly onConflict: (path: TreePath, keptAs: TreePath) => void
  readonly onBytes: (bytes: number) => void
}

/** Bounds of a batch of writes, after which the folder is made durable and recorded. */
const batchBytesMax = 64 * 1024 * 1024
const batchStepsMax = 8000
/** Content that may be in memory between the source and the staged files. */
const stagingBytesMax = 32 * 1024 * 1024
/** A block has many small files: this number covers several blocks, which several peers can send at once. */
const stagingFilesMax = 2048
/** The memory that a large file counts for. */
const fileBytesInFlight = 16 * 1024 * 1024

/** The memory of a pack: received, unpacked, and copied for a thread. Few packs are larger than half a megabyte. */
const packCostBytes = 2 * 1024 * 1024
const nothing = new Uint8Array()

type MoveStep = Extract<Step, { op: 'move' }>
interface Staged {
  readonly step: WriteStep
  readonly at: string
}

/**
 * Applies a plan to a folder. At every instant each path has its complete old or new content: contents are
 * staged, verified, made durable, and renamed into place. A path that fails, or that the user has changed
 * since the plan was made, stays as it is; the others continue.
 *
 * @returns the paths that changed meanwhile and need a new plan
 * @throws {SyncError} DISK_FULL; the signal's reason
 */
export async function materialise(input: MaterialiseInput, options: MaterialiseOptions): Promise<readonly TreePath[]> {
  const work = new Work(input, options)
  try {
    await work.run()
  } finally {
    work.close()
  }
  return work.changedMeanwhile
}

class Work {
  readonly changedMeanwhile: TreePath[] = []
  readonly #input: MaterialiseInput
  readonly #options: MaterialiseOptions
  readonly #parents: Parents
  readonly #placer: Placer
  /** Directories whose mode and time are set to those of their entry at the end. */
  readonly #planned = new Set<TreePath>()
  #put = new Map<TreePath, BaselineRecord>()
  #removed = new Set<TreePath>()

  constructor(input: MaterialiseInput, options: MaterialiseOptions) {
    this.#input = input
    this.#options = options
    const removing = new Set<TreePath>()
    for (const step of input.steps) if (step.op === 'remove') removing.add(step.path)
    const isOurs = (path: TreePath) => input.directoryEntry(path) !== undefined || removing.has(path)
    this.#parents = new Parents(input.root, isOurs)
    this.#placer = new Placer({ ...input, parents: this.#parents }, options)
  }

  close(): void {
    this.#parents.close()
    this.#input.keeping?.end()
  }

  async run(): Promise<void> {
    const { steps } = this.#input
    await this.#prepare(steps.filter(({ op }) => op === 'make-directory' || op === 'move'))
    this.#parents.pin(this.#options.guard)
    for (const step of steps)
      if (step.op === 'make-directory') this.#attempt(step, () => this.#makeDirectory(step.path))
    const late: Staged[] = []
    const writes = this.#moves(steps)
    await this.#writes([...writes, ...steps.filter((step) => step.op === 'write')], late)
    await this.#prepare(steps.filter(({ op }) => op === 'remove'))
    for (const step of steps) if (step.op === 'remove') this.#attempt(step, () => this.#remove(step.path, step.entry))
    await this.#place(late)
    for (const step of steps) {
      if (step.op === 'set-metadata') this.#attempt(step, () => this.#setMetadata(step.path, step.entry))
    }
    this.#finishDirectories()
    reached('directories-finished')
    await this.#record()
    for (const { at } of late) this.#input.staging.release(at)
  }

  // Step by step

  #makeDirectory(path: TreePath): void {
    this.#placer.makeDirectory(path)
    this.#planned.add(path)
  }

  /** Applies the moves. @returns write steps for those that failed */
  #moves(steps: readonly Step[]): WriteStep[] {
    const writes: WriteStep[] = []
    for (const step of steps) {
      if (step.op !== 'move') continue
      this.#attempt(step, () => {
        const taken = this.#takeOut(step)
        if (taken === undefined) {
          writes.push({ op: 'write', path: step.path, entry: step.entry, copyOf: step.from })
          this.changedMeanwhile.push(step.from)
          return
        }
        this.#wrote(step.path, step.entry, this.#placer.putIn(step.path, taken, step.from, step.entry))
        this.#wentFrom(step.from)
      })
    }
    return writes
  }

  #takeOut({ from }: MoveStep): string | undefined {
    try {
      return this.#placer.takeOut(from)
    } catch (error) {
      if (error instanceof ChangedMeanwhile || isFatal(error, this.#options.signal)) throw error
      this.#problem(from, 'remove', error) // Its content may be readable, so that the caller can copy it.
      return undefined
    }
  }

  #remove(path: TreePath, entry: Entry): void {
    this.#placer.remove(path, entry)
    this.#wentFrom(path)
  }

  #setMetadata(path: TreePath, entry: Entry): void {
    if (entry.type === 'directory') this.#planned.add(path)
    else this.#wrote(path, entry, this.#placer.setMetadata(path, entry))
  }

  /** Sets modes and times of directories, last because each change in a directory changes its time. */
  #finishDirectories(): void {
    const { touched } = this.#parents
    for (const path of [...new Set([...touched.keys(), ...this.#planned])].sort().reverse()) {
      const entry = this.#input.directoryEntry(path)
      if (entry === undefined) continue
      try {
        const at = this.#parents.locate(path)
        const stats = lstatSync(at)
        if (!stats.isDirectory()) continue
        if (this.#planned.has(path)) {
          setMetadata(at, entry)
          this.#put.set(path, { entry, signature: '' })
        } else {
          // The plan changed only its time; the mode stays as the user has set it.
          setMetadata(at, { ...entry, mode: touched.get(path)?.mode ?? stats.mode & permissionBits })
        }
      } catch (error) {
        if (!isAbsence(error)) this.#problem(path, 'write', error)
      }
    }
    this.#parents.release()
  }

  // Writing

  async #writes(steps: readonly WriteStep[], late: Staged[]): Promise<void> {
    const batches = [...batchesOf(steps)]
    // Stages the next batch while it places one.
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
        for (const { at } of staged) if (!late.some((item) => item.at === at)) this.#input.staging.release(at)
      } catch (error) {
        // No work may continue after this rejects.
        for (const { at } of (await next?.catch(() => [])) ?? []) this.#input.staging.discard(at)
        throw error
      }
    }
  }

  async #stage(steps: readonly WriteStep[]): Promise<Staged[]> {
    const staged: Staged[] = []
    const todo = stageGroups(steps).reverse()
    let bytesInFlight = 0
    let failure: unknown
    const running = new Set<Promise<void>>()
    let onEnd = () => {}
    while (todo.length > 0 && failure === undefined) {
      const group = todo.pop() as StageGroup
      const cost = costOf(group)
      while (running.size >= stagingFilesMax || (running.size > 0 && bytesInFlight + cost > stagingBytesMax)) {
        await new Promise<void>((resolve) => {
          onEnd = resolve
        })
      }
      bytesInFlight += cost
      const task = this.#stageGroup(group, staged)
        .catch((error: unknown) => {
          if (isFatal(error, this.#options.signal)) failure = fatal(error)
          else for (const { path } of group.steps) this.#problem(path, stagingFault(error), error)
        })
        .finally(() => {
          bytesInFlight -= cost
          running.delete(task)
          onEnd()
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

  async #stageGroup({ steps, source }: StageGroup, staged: Staged[]): Promise<void> {
    if (source !== 'single') return this.#stagePack(steps, source, staged)
    const [step] = steps as [WriteStep]
    staged.push({ step, at: await this.#stageOne(step) })
  }

  /** Stages small files of one pack in a worker thread. */
  async #stagePack(steps: readonly WriteStep[], pack: BlockRef | 'nothing', staged: Staged[]): Promise<void> {
    const { signal } = this.#options
    const { source, staging } = this.#input
    const bytes = pack === 'nothing' ? nothing : await source.pack(pack, signal)
    const files = steps.map(({ entry }) => smallFileOf(entry as FileEntry, staging.nextName()))
    const failures = await withSharedBytes(bytes, (seen) => {
      const request = { directory: staging.directory, bytes: seen, files }
      return this.#input.workers.run('stage-files', request, { signal, frugal: true })
    })
    let received = 0
    let full: unknown
    for (const [i, step] of steps.entries()) {
      const failed = failures[i]
      if (!failed) {
        staged.push({ step, at: join(staging.directory, (files[i] as SmallFileToStage).name) })
        received += (step.entry as FileEntry).size
        continue
      }
      const error = failed.isWrong ? new WrongContent(failed.error.message) : unpackError(failed.error)
      if (isFatal(error, signal)) full = error
      else this.#problem(step.path, stagingFault(error), error)
    }
    if (full !== undefined) throw full
    this.#options.onBytes(received)
  }

  async #stageOne({ entry, copyOf }: WriteStep): Promise<string> {
    const { staging, source, root } = this.#input
    if (entry.type === 'symlink') return staging.symlink(entry)
    // For an in-place file the source itself reads shared blocks from other files.
    if (staging.isInPlace(entry)) return staging.receive(entry, source, this.#options)
    if (copyOf !== undefined) {
      try {
        return await staging.file(entry, bytesOf(readChunks(root, copyOf, this.#options)), this.#options.onBytes)
      } catch (error) {
        if (isFatal(error, this.#options.signal)) throw error
        // The file to copy has changed since the plan was made; the log has the content too.
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
    const records = this.#input.keeping?.prepare(staged.map(({ step }) => step.path)) ?? []
    await makeDurable(new Set([...files.map(({ at }) => at), ...records]), staging.directory)
    trace('the staged files are durable')
    reached('staged-durable')
    // Receiving may have taken long: another directory or disk may be at the root by now.
    this.#parents.pin(this.#options.guard)
    // In the order of paths: parents before children, and directory by directory.
    for (const { step, at } of [...staged].sort((a, b) => (a.step.path < b.step.path ? -1 : 1))) {
      let placed = false
      this.#attempt(step, () => {
        this.#wrote(step.path, step.entry, this.#placer.place(step.path, at))
        placed = true
      })
      if (!placed) staging.discard(at)
    }
    this.#parents.release()
  }

  /** Makes the records of files to keep durable before the files leave their paths, so that a killed run is recoverable. */
  async #prepare(steps: readonly Step[]): Promise<void> {
    const { keeping, staging } = this.#input
    if (keeping !== undefined) await makeDurable(keeping.prepare(steps.map(({ path }) => path)), staging.directory)
  }

  // Recording

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

  #wrote(path: TreePath, entry: Entry, signature: string): void {
    this.#put.set(path, { entry, signature })
    this.#removed.delete(path)
  }

  #wentFrom(path: TreePath): void {
    this.#parents.wentFrom(path)
    if (!this.#put.has(path)) this.#removed.add(path)
  }

  async #record(): Promise<void> {
    if (this.#put.size === 0 && this.#removed.size === 0) return
    const applied: Applied = { put: this.#put, removed: this.#removed }
    const directories = new Set([...this.#parents.takeDirty(), ...(this.#input.keeping?.takeDirty() ?? [])])
    this.#put = new Map()
    this.#removed = new Set()
    await makeDurable(directories, this.#input.root)
    trace('%d paths done', applied.put.size + applied.removed.size)
    reached('folder-durable')
    await this.#options.onApplied(applied)
  }

  #problem(path: TreePath, action: Problem['action'], error: unknown): void {
    this.#options.onProblem({ path, action, message: messageOf(error) })
  }
}

function isFatal(error: unknown, signal: AbortSignal): boolean {
  return signal.aborted || error instanceof SyncError || isDiskFull(error)
}

function fatal(error: unknown): unknown {
  if (!isDiskFull(error)) return error
  return new SyncError('DISK_FULL', 'The disk is full. What was there is whole; it goes on when there is space', {
    cause: error
  })
}

/** The memory that staging a group may take, in bytes. */
function costOf({ steps, source }: StageGroup): number {
  if (source !== 'single') return packCostBytes
  const { entry } = (steps as [WriteStep])[0]
  return entry.type === 'file' ? Math.min(entry.size, fileBytesInFlight) : 0
}

function smallFileOf({ size, hash, mode, mtimeMs, extents: [extent] }: FileEntry, name: string): SmallFileToStage {
  return { name, entry: { size, hash, mode, mtimeMs }, offset: extent?.offset ?? 0 }
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
