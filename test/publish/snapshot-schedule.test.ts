import { test } from 'brittle'
import { isSnapshotDue, SnapshotSchedule } from '../../src/publish/snapshot-schedule.ts'
import { headOf } from '../support/log.ts'

interface Case {
  readonly length?: number
  readonly entries?: number
  /** The length of the log at its last snapshot. */
  readonly snapshotAt?: number
  readonly partial?: boolean
  readonly unfinished?: boolean
}

const cases: ReadonlyArray<[name: string, it: Case, isDue: boolean]> = [
  ['a first one, of 500 entries', { length: 500, entries: 500 }, true],
  ['too few entries', { length: 5000, entries: 499 }, false],
  ['a log that has grown by too few blocks', { length: 499, entries: 1000 }, false],
  ['a quarter of the entries in new blocks', { length: 3500, entries: 10_000, snapshotAt: 1000 }, true],
  ['less than a quarter', { length: 3499, entries: 10_000, snapshotAt: 1000 }, false],
  ['few entries, and few new blocks', { length: 1499, entries: 600, snapshotAt: 1000 }, false],
  ['a partial version', { length: 5000, entries: 5000, partial: true }, false],
  ['an unfinished version', { length: 5000, entries: 5000, unfinished: true }, false]
]

for (const [name, { length = 0, entries = 0, snapshotAt, partial, unfinished }, isDue] of cases) {
  test(`a snapshot is ${isDue ? '' : 'not '}due: ${name}`, (t) => {
    const snapshot = snapshotAt === undefined ? {} : { snapshot: { block: 0, blocks: 1, length: snapshotAt, entries } }
    const head = headOf({ partial: partial === true, unfinished: unfinished === true, ...snapshot })
    // Directories and links count as files do.
    const totals = { files: entries - 2, directories: 1, symlinks: 1 }
    t.is(isSnapshotDue({ fork: 1, length }, head, totals), isDue)
  })
}

test('no snapshot is due before the first version', (t) => {
  t.absent(isSnapshotDue(undefined, undefined, { files: 1000, directories: 0, symlinks: 0 }))
})

test('a due snapshot waits for a quiet folder, for a minute at most', (t) => {
  const schedule = new SnapshotSchedule()
  t.is(schedule.next(false, 1000), 'not-due')
  t.is(schedule.next(true, 2000), 'when-quiet')
  t.is(schedule.next(true, 61_999), 'when-quiet')
  t.is(schedule.next(true, 62_000), 'now')
})

test('the minute begins again with each snapshot', (t) => {
  const schedule = new SnapshotSchedule()
  schedule.next(true, 0)
  t.is(schedule.next(false, 70_000), 'not-due', 'it was published')
  t.is(schedule.next(true, 80_000), 'when-quiet')
  t.is(schedule.next(true, 139_999), 'when-quiet')
  t.is(schedule.next(true, 140_000), 'now')
})
