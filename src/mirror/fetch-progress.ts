import type { Monitor } from '../folder/monitor.ts'
import type { Plan } from '../tree/plan.ts'

/** Counts what was received and applied of a plan. */
export interface FetchProgress {
  bytes(count: number): void
  files(count: number): void
}

/** Emits a `progress` event for each count. Totals are of the files that the plan writes. */
export function fetchProgress({ steps }: Pick<Plan, 'steps'>, monitor: Pick<Monitor, 'emit'>): FetchProgress {
  const progress = { files: 0, filesTotal: steps.length, bytes: 0, bytesTotal: 0 }
  for (const step of steps) {
    if (step.op === 'write' && step.entry.type === 'file') progress.bytesTotal += step.entry.size
  }
  const emit = () => monitor.emit({ type: 'progress', phase: 'fetch', ...progress })
  return {
    bytes: (count) => {
      progress.bytes += count
      emit()
    },
    files: (count) => {
      progress.files += count
      emit()
    }
  }
}
