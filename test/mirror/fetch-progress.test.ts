import { test } from 'brittle'
import type { SyncEvent } from '../../src/folder/monitor.ts'
import { fetchProgress } from '../../src/mirror/fetch-progress.ts'
import { directoryOf, fileOf, pathOf, symlinkOf } from '../support/entries.ts'

test('progress counts every step, and the bytes of the files to write', (t) => {
  const events: SyncEvent[] = []
  const progress = fetchProgress(
    {
      steps: [
        { op: 'make-directory', path: pathOf('d'), entry: directoryOf() },
        { op: 'write', path: pathOf('d/f'), entry: fileOf('12345') },
        { op: 'write', path: pathOf('l'), entry: symlinkOf('elsewhere') },
        { op: 'move', path: pathOf('m'), from: pathOf('n'), entry: fileOf('moved') },
        { op: 'remove', path: pathOf('r'), entry: fileOf('removed') }
      ]
    },
    { emit: (event) => events.push(event) }
  )
  t.alike(events, [])
  progress.bytes(2)
  progress.bytes(3)
  progress.files(4)
  const totals = { type: 'progress', phase: 'fetch', filesTotal: 5, bytesTotal: 5 } as const
  t.alike(events, [
    { ...totals, files: 0, bytes: 2 },
    { ...totals, files: 0, bytes: 5 },
    { ...totals, files: 4, bytes: 5 }
  ])
})
