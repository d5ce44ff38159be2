import { test } from 'brittle'
import { WatchProgress } from '../../src/control/follow.ts'
import type { WatchRecord } from '../../src/query/watch.ts'

const version = (number: number): WatchRecord => ({
  type: 'version',
  version: number,
  fork: 0,
  timeMs: 0,
  files: 0,
  directories: 0,
  symlinks: 0,
  bytes: 0
})
const fields = { kind: 'file', mtimeMs: 0 } as const
const entry = (path: string): WatchRecord => ({ type: 'entry', path, ...fields })
const added = (path: string, number: number): WatchRecord => ({ type: 'added', path, version: number, ...fields })
const listed = (number: number): WatchRecord => ({ type: 'listed', version: number, entries: 1 })

test('a watch that breaks off within a version continues after its last change', (t) => {
  const progress = new WatchProgress({ path: 'docs' })
  t.alike(progress.resume(), { path: 'docs' })
  for (const record of [version(1), entry('a'), listed(1), version(3), added('b', 3), added('c', 3)])
    t.ok(progress.isNew(record), record.type)
  t.alike(progress.resume(), { path: 'docs', since: '1' })
  const news = [version(3), added('b', 3), added('c', 3), added('d', 3), version(4), added('e', 4)]
  t.alike(
    news.filter((record) => progress.isNew(record)),
    [added('d', 3), version(4), added('e', 4)]
  )
  t.alike(progress.resume(), { path: 'docs', since: '3' })
})

test('a watch that breaks off between versions repeats none', (t) => {
  const progress = new WatchProgress({ since: '1' })
  for (const record of [version(2), added('a', 2)]) progress.isNew(record)
  t.alike(progress.resume(), { since: '1' }, 'version 2 may have more changes')
  t.alike(
    [version(2), added('a', 2), version(3), added('b', 3)].filter((record) => progress.isNew(record)),
    [version(3), added('b', 3)]
  )
})

test('only a watch within its listing can not continue', (t) => {
  const progress = new WatchProgress({})
  t.absent(progress.isListing, 'before it began')
  progress.isNew(version(1))
  progress.isNew(entry('a'))
  t.ok(progress.isListing)
  progress.isNew(listed(1))
  t.absent(progress.isListing)
  t.absent(new WatchProgress({ since: '1' }).isListing, 'there is no listing')
})
