import { test } from 'brittle'
import { throttleProgress } from '../../../src/cli/run/choose-output.ts'
import type { SyncEvent } from '../../../src/index.ts'

const progress = (files: number): SyncEvent => ({
  type: 'progress',
  phase: 'scan',
  files,
  filesTotal: 0,
  bytes: 0,
  bytesTotal: 0
})

test('progress shows ten times a second, and the last one before the next other event', (t) => {
  const shown: SyncEvent[] = []
  let nowMs = 0
  const output = throttleProgress({ show: (event) => void shown.push(event), end: () => {} }, () => nowMs)
  for (let files = 1; files <= 250; files++, nowMs++) output.show(progress(files))
  t.alike(shown, [progress(1), progress(101), progress(201)])
  const other: SyncEvent = { type: 'notice', message: 'done' }
  output.show(other)
  t.alike(shown.slice(3), [progress(250), other])
})
