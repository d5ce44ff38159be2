import { rmSync } from 'node:fs'
import { test } from 'brittle'
import { LiveBaseline } from '../../src/baseline/baseline.ts'
import { scanChanges } from '../../src/publish/scan-changes.ts'
import { directoryOf, fileOf, pathOf } from '../support/entries.ts'
import { codeOf } from '../support/failure.ts'
import { Share } from '../support/share.ts'

const everything = { everything: true, paths: new Map() }

test('a scan of everything finds files to read, directories to put and removals', async (t) => {
  const share = await Share.open(t, { 'dir/file': 'text' })
  const baseline = await LiveBaseline.of([[pathOf('gone'), { entry: fileOf(''), signature: 's' }]] as const)
  const { diff } = await scanChanges(share.context(), baseline, everything)
  t.alike(diff.suspects, ['dir/file'])
  t.alike(
    diff.puts.map(([path]) => path),
    ['dir']
  )
  t.alike(diff.removals, ['gone'])
  t.is(share.eventsOf('progress').at(-1)?.phase ?? 'scan', 'scan')
})

test('a scan of dirty paths says nothing about others', async (t) => {
  const share = await Share.open(t, { a: 'a', b: 'b' })
  const baseline = await LiveBaseline.of([[pathOf('gone'), { entry: fileOf(''), signature: 's' }]] as const)
  const paths = new Map([[pathOf('a'), 'shallow']] as const)
  const { scan, diff } = await scanChanges(share.context(), baseline, { everything: false, paths })
  t.alike(diff.suspects, ['a'])
  t.alike(diff.removals, [])
  t.absent(scan.covers(pathOf('gone')))
})

test('ignored paths are left out', async (t) => {
  const share = await Share.open(t, { '.p2psyncignore': '*.log\n', 'a.log': 'a', a: 'a' })
  const { diff } = await scanChanges(share.context(), new LiveBaseline(), everything)
  t.alike([...diff.suspects].sort(), ['.p2psyncignore', 'a'])
})

test('the problem of a path that is gone is solved', async (t) => {
  const share = await Share.open(t, { a: 'a' })
  share.monitor.problem({ path: 'gone', action: 'read', message: 'm' })
  share.monitor.problem({ path: 'a', action: 'read', message: 'stays until it is read' })
  share.monitor.problem({ path: 'a2', action: 'scan', message: 'm' })
  await scanChanges(share.context(), new LiveBaseline(), everything)
  t.alike(
    share.monitor.problems.map(({ path }) => path),
    ['a']
  )
})

test('a folder without its marker is not scanned', async (t) => {
  const share = await Share.open(t, { a: 'a' })
  rmSync(share.at('.p2psync/folder.json'))
  const baseline = await LiveBaseline.of([[pathOf('d'), { entry: directoryOf(), signature: 's' }]] as const)
  t.is(await codeOf(() => scanChanges(share.context(), baseline, everything)), 'HALTED')
})
