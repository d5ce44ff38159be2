import { chunkBytesMin } from '../../chunk/chunker.ts'
import { type BlockRef, blockKey } from '../../tree/block-ref.ts'
import type { Step } from '../../tree/plan.ts'

export type WriteStep = Extract<Step, { op: 'write' }>

/** Staging fewer files one by one takes less time than starting a thread. */
const groupedMin = 8

/** Steps to stage together, since the contents of all are in one pack; or a single step. */
export interface StageGroup {
  readonly steps: readonly WriteStep[]
  /** The pack; `nothing` for empty files. */
  readonly source: BlockRef | 'nothing' | 'single'
}

/** Groups the steps for small files by pack, in the order of each pack's first step. */
export function stageGroups(steps: readonly WriteStep[]): StageGroup[] {
  if (steps.filter((step) => sourceOf(step) !== 'single').length < groupedMin) return steps.map(alone)
  const groups: StageGroup[] = []
  const joined = new Map<string, WriteStep[]>()
  for (const step of steps) {
    const source = sourceOf(step)
    if (source === 'single') {
      groups.push(alone(step))
      continue
    }
    const key = source === 'nothing' ? source : blockKey(source)
    const known = joined.get(key)
    if (known !== undefined) known.push(step)
    else {
      const first = [step]
      joined.set(key, first)
      groups.push({ steps: first, source })
    }
  }
  return groups
}

function alone(step: WriteStep): StageGroup {
  return { steps: [step], source: 'single' }
}

function sourceOf({ entry, copyOf }: WriteStep): StageGroup['source'] {
  if (entry.type !== 'file' || copyOf !== undefined || entry.size >= chunkBytesMin) return 'single'
  const [extent] = entry.extents
  if (extent === undefined) return entry.size === 0 ? 'nothing' : 'single'
  return extent.packed && entry.extents.length === 1 ? { core: extent.core, index: extent.block } : 'single'
}
