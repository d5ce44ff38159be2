import type { SyncEvent } from './monitor.ts'

/** Events kept for an iteration that is slower than what happens. */
const queuedEventsMax = 10_000

/**
 * Events as they are iterated over, from now on. When that is slower than they come, progress is dropped first; beyond
 * 10,000 others waiting, the oldest.
 *
 * @param subscribe calls its listener with each event, and returns what ends that
 * @param onClose calls back when there will be no more
 */
export function eventsOf(
  subscribe: (listener: (event: SyncEvent) => void) => () => void,
  onClose: (end: () => void) => void
): AsyncIterator<SyncEvent> {
  const queue: SyncEvent[] = []
  let isOver = false
  let wake: (() => void) | undefined
  const unsubscribe = subscribe((event) => {
    if (event.type === 'progress' && queue.at(-1)?.type === 'progress') queue.pop()
    if (queue.length >= queuedEventsMax) queue.shift()
    queue.push(event)
    wake?.()
  })
  onClose(() => {
    isOver = true
    wake?.()
  })
  const end = (): IteratorResult<SyncEvent> => {
    unsubscribe()
    return { done: true, value: undefined }
  }
  return {
    next: async () => {
      while (queue.length === 0) {
        if (isOver) return end()
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      return { done: false, value: queue.shift() as SyncEvent }
    },
    return: async () => end()
  }
}
