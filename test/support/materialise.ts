import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { observe } from '../../src/disk/read/observe.ts'
import { Workers } from '../../src/disk/threads/workers.ts'
import type { Keeping } from '../../src/disk/write/kept-directory.ts'
import { type Applied, materialise } from '../../src/disk/write/materialise.ts'
import { Staging } from '../../src/disk/write/stage.ts'
import type { DirectoryEntry, FileEntry } from '../../src/tree/entry.ts'
import { ancestorsOf, type TreePath } from '../../src/tree/path.ts'
import type { Step } from '../../src/tree/plan.ts'
import { hashOf, pathOf } from './entries.ts'
import { Problems } from './problems.ts'

/** The effects and reports of a run of `materialise`. */
export interface Outcome {
  readonly changedMeanwhile: readonly string[]
  readonly applied: Applied
  readonly problems: Problems
  readonly conflicts: readonly (readonly [path: string, keptAs: string])[]
}

export interface RunOptions {
  /** Paths whose present entry has to be set aside. */
  readonly conflicts?: readonly string[]
  /** Runs between the observation of the folder and the first step. */
  readonly meanwhile?: () => void
  /** Directories that the target holds. */
  readonly directories?: Readonly<Record<string, DirectoryEntry>>
  readonly signal?: AbortSignal
  readonly keeping?: Keeping
}

/** A folder on disk, and a source of contents for it. */
export class Workshop {
  readonly root: string
  readonly staging: Staging
  /** How often each content was requested, by hash. */
  readonly asked = new Map<string, number>()
  readonly #contents = new Map<string, Uint8Array>()
  readonly #packs = new Map<number, Uint8Array>()
  readonly #workers = new Workers()

  private constructor(root: string) {
    this.root = root
    this.staging = new Staging(join(root, '.p2psync/staging'))
    this.staging.open()
    this.has('')
  }

  static async open(t: Assert): Promise<Workshop> {
    const workshop = new Workshop(await t.tmp())
    t.teardown(() => workshop.#workers.close())
    return workshop
  }

  /** Makes the source have `content`. */
  has(content: string | Uint8Array): void {
    this.#contents.set(hashOf(content), Buffer.from(content))
  }

  /** Makes the source return `content` for requests of `entry`. */
  lie(entry: FileEntry, content: string): void {
    this.#contents.set(entry.hash, Buffer.from(content))
  }

  /** Makes the source have a pack. */
  hasPack(block: number, contents: string): void {
    this.#packs.set(block, Buffer.from(contents))
  }

  at(path: string): string {
    return join(this.root, path)
  }

  async run(steps: readonly Step[], options: RunOptions = {}): Promise<Outcome> {
    const { conflicts = [], meanwhile, directories = {}, signal = new AbortController().signal, keeping } = options
    const put: Applied['put'] & Map<TreePath, unknown> = new Map()
    const removed = new Set<TreePath>()
    const problems = new Problems()
    const kept: (readonly [string, string])[] = []
    const observed = observe(this.root, pathsOf(steps), problems.add)
    meanwhile?.()
    const changedMeanwhile = await materialise(
      {
        root: this.root,
        staging: this.staging,
        source: {
          read: (entry, aborted) => this.#read(entry, aborted),
          pack: async ({ index }) => this.#pack(index)
        },
        workers: this.#workers,
        steps,
        observed,
        conflicts: new Set(conflicts.map(pathOf)),
        keeping,
        directoryEntry: (path) => directories[path] ?? madeDirectory(steps, path)
      },
      {
        host: 'host',
        guard: () => {},
        now: () => new Date('2024-05-06T07:08:09.123Z'),
        signal,
        onApplied: async (applied) => {
          for (const [path, record] of applied.put) put.set(path, record)
          for (const path of applied.removed) removed.add(path)
        },
        onProblem: problems.add,
        onConflict: (path, keptAs) => kept.push([path, keptAs]),
        onBytes: () => {}
      }
    )
    return { changedMeanwhile, applied: { put, removed }, problems, conflicts: kept }
  }

  /** The contents of the folder, in a comparable form: content, `-> target` or `/`. */
  tree(): Record<string, string> {
    const tree: Record<string, string> = {}
    const walk = (prefix: string) => {
      for (const name of readdirSync(this.at(prefix)).sort()) {
        const path = prefix + name
        const stats = lstatSync(this.at(path))
        if (path === '.p2psync') continue
        if (stats.isSymbolicLink()) tree[path] = `-> ${readlinkSync(this.at(path))}`
        else if (stats.isFile()) tree[path] = readFileSync(this.at(path), 'utf8')
        else {
          tree[path] = '/'
          walk(`${path}/`)
        }
      }
    }
    walk('')
    return tree
  }

  /** The names left in the staging directory. */
  staged(): readonly string[] {
    return readdirSync(this.staging.directory)
  }

  #pack(block: number): Uint8Array {
    const pack = this.#packs.get(block)
    if (pack === undefined) throw new Error('The source has no such pack')
    return pack
  }

  async *#read(entry: FileEntry, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    this.asked.set(entry.hash, (this.asked.get(entry.hash) ?? 0) + 1)
    signal.throwIfAborted()
    const content = this.#contents.get(entry.hash)
    if (content === undefined) throw new Error('The source has no such content')
    yield content
  }
}

function madeDirectory(steps: readonly Step[], path: TreePath): DirectoryEntry | undefined {
  const step = steps.find((each) => each.path === path && each.op !== 'remove')
  return step?.entry.type === 'directory' ? step.entry : undefined
}

function pathsOf(steps: readonly Step[]): Set<TreePath> {
  const paths = new Set<TreePath>()
  for (const step of steps) {
    paths.add(step.path)
    for (const path of ancestorsOf(step.path)) paths.add(path)
    if (step.op === 'move') paths.add(step.from)
  }
  return paths
}
