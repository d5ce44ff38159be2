import type { Monitor } from '../folder/monitor.ts'
import type { Plan } from '../tree/plan.ts'

/** Counts what a plan's execution has received and done, and tells the monitor. */
export interface FetchCounter {
  bytes(count: number): void
  files(count: number): void
}

/** @param onBytes is called whenever bytes came */
export function countFetched(plan: Plan, monitor: Monitor, onBytes: () => void): FetchCounter {
  const progress = { files: 0, filesTotal: plan.steps.length, bytes: 0, bytesTotal: 0 }
  for (const step of plan.steps) {
    if (step.op === 'write' && step.entry.type === 'file') progress.bytesTotal += step.entry.size
  }
  const emit = () => monitor.emit({ type: 'progress', phase: 'fetch', ...progress })
  return {
    bytes: (count) => {
      progress.bytes += count
      onBytes()
      emit()
    },
    files: (count) => {
      progress.files += count
      emit()
    }
  }
}
