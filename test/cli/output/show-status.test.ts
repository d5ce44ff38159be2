import { test } from 'brittle'
import { statusLines } from '../../../src/cli/output/show-status.ts'
import type { StatusRecord } from '../../../src/handle/status.ts'

const key = 'e8yxrqmgs8t5xqky7ssq6hp1h7gesf7gcw9ew5g6jbqzzfdg6rso'
const status: StatusRecord = {
  type: 'status',
  folder: '/mirror',
  role: 'reader',
  key,
  state: 'working',
  percent: 40,
  version: 7,
  newest: 9,
  files: 5,
  bytes: 20,
  missing: { files: 2, bytes: 3_000_000 },
  peers: [],
  diverged: [],
  conflicts: [],
  problems: [],
  disk: { log: 193_000, state: 106_000, free: 82_600_000_000 }
}

test('the status of a mirror names its state, its versions and missing contents', (t) => {
  t.alike(statusLines(status, 200), [
    'Folder      /mirror (a mirror)',
    `Key         ${key}`,
    'State       working, 40 % · 0 peers',
    'Version     7 · 5 files, 20 B; the newest known is 9',
    'Missing     2 files, 3.0 MB',
    'Disk        files 20 B · log 193 kB · state 106 kB · free 82.6 GB'
  ])
})

test('a list shows its first items and the number of the others', (t) => {
  const problems = Array.from({ length: 10 }, (_, i) => ({ path: `p${i}`, action: 'read' as const, message: 'denied' }))
  const lines = statusLines({ ...status, problems }, 200)
  const from = lines.indexOf('Problems (10)')
  t.is(lines[from + 1], '  p0: denied')
  t.is(lines[from + 8], '  p7: denied')
  t.is(lines[from + 9], '  … and 2 more')
})

test('no line is wider than the screen, and names are escaped', (t) => {
  const conflicts = [{ path: 'a\u001b[2Jvery long name of a file', keptAs: 'b', timeMs: 0 }]
  const lines = statusLines({ ...status, reason: 'a reason of many words', conflicts }, 30)
  t.alike(
    lines.filter((line) => [...line].length > 30),
    []
  )
  t.ok(lines.some((line) => line.includes('\\x1b[2J')))
})
