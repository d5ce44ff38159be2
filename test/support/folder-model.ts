import type { DirectoryEntry, Entry } from '../../src/tree/entry.ts'
import { sameContent } from '../../src/tree/entry.ts'
import { isBeneath, parentPath, type TreePath } from '../../src/tree/path.ts'
import type { Plan, Step } from '../../src/tree/plan.ts'
import type { Tree } from '../../src/tree/tree.ts'
import { must } from './property.ts'

/** A folder in memory that applies plans as documented, and records lost contents. */
export class FolderModel {
  readonly entries: Map<TreePath, Entry>
  /** Entries that were overwritten or removed, so that their bytes are lost. */
  readonly dropped: (readonly [TreePath, Entry])[] = []
  /** Entries that were set aside under another name, with everything beneath them. */
  readonly aside = new Map<TreePath, Entry>()

  constructor(entries: Tree) {
    this.entries = new Map(entries)
  }

  /** Applies a plan. @returns the resulting baseline */
  run(plan: Plan, base: Tree, target: Tree): Tree {
    const conflicts = new Set(plan.conflicts.map(({ path }) => path))
    const late: (readonly [TreePath, Entry])[] = []
    const after = new Map(base)
    for (const step of plan.steps) {
      this.#step(step, conflicts, late)
      if (step.op === 'remove') after.delete(step.path)
      else after.set(step.path, step.entry)
      if (step.op === 'move') after.delete(step.from)
    }
    for (const [path, entry] of late) this.#replace(path, entry, conflicts)
    for (const path of plan.settled) after.set(path, target.get(path) as Entry)
    for (const path of plan.forgotten) after.delete(path)
    return after
  }

  #step(step: Step, conflicts: ReadonlySet<TreePath>, late: (readonly [TreePath, Entry])[]): void {
    const { op, path } = step
    if (op === 'remove') this.#remove(path)
    else if (op === 'make-directory') this.#makeDirectory(path, step.entry, conflicts)
    else if (op === 'set-metadata') {
      must(sameContent(this.entries.get(path), step.entry), `metadata of ${path} for other content`)
      this.entries.set(path, step.entry)
    } else {
      if (op === 'move') {
        must(sameContent(this.entries.get(step.from), step.entry), `nothing to move at ${step.from}`)
        this.entries.delete(step.from)
      }
      // A directory makes way after the removals beneath it.
      if (this.entries.get(path)?.type === 'directory') late.push([path, step.entry])
      else this.#replace(path, step.entry, conflicts)
    }
  }

  #makeDirectory(path: TreePath, entry: DirectoryEntry, conflicts: ReadonlySet<TreePath>): void {
    if (this.entries.get(path)?.type === 'directory') this.entries.set(path, entry)
    else this.#replace(path, entry, conflicts)
  }

  #replace(path: TreePath, entry: Entry, conflicts: ReadonlySet<TreePath>): void {
    const parent = parentPath(path)
    must(parent === '' || this.entries.get(parent)?.type === 'directory', `no directory for ${path}`)
    const have = this.entries.get(path)
    if (have !== undefined) {
      if (conflicts.has(path) || this.#beneath(path).length > 0) this.#setAside(path)
      else this.dropped.push([path, have])
    }
    this.entries.set(path, entry)
  }

  #remove(path: TreePath): void {
    const have = this.entries.get(path)
    // The user's own files keep the directory that holds them.
    if (have === undefined || this.#beneath(path).length > 0) return
    this.dropped.push([path, have])
    this.entries.delete(path)
  }

  #setAside(path: TreePath): void {
    for (const each of [path, ...this.#beneath(path)]) {
      this.aside.set(each, this.entries.get(each) as Entry)
      this.entries.delete(each)
    }
  }

  #beneath(path: TreePath): TreePath[] {
    return [...this.entries.keys()].filter((other) => isBeneath(other, path))
  }
}
