import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import { startClone, startShare } from '../../support/cli.ts'
import { startTestnet } from '../../support/testnet.ts'
import { until } from '../../support/until.ts'

test('ignore rules exclude paths, are published themselves, and take effect when they change', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const source = await t.tmp()
  const mirror = join(await t.tmp(), 'mirror')
  const at = (path: string) => join(source, path)
  const has = (path: string) => existsSync(join(mirror, path))
  mkdirSync(at('build/deep'), { recursive: true })
  for (const path of ['kept', 'draft~', 'build/deep/output', 'note.log', '.kept.swp']) writeFileSync(at(path), path)
  writeFileSync(at('.p2psyncignore'), 'build/\n!.kept.swp\n')
  const writer = await startShare(t, source, { bootstrap })
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await reader.event('in-sync')
  t.ok(has('kept') && has('note.log') && has('.p2psyncignore'))
  t.ok(has('.kept.swp'), 'a negated rule cancels a default')
  t.absent(has('build'), 'a rule of the folder excludes a path')
  t.absent(has('draft~'), 'a default')

  writeFileSync(at('.p2psyncignore'), '*.log\n')
  await until(() => has('build/deep/output'), { what: 'the file that is no longer ignored' })
  rmSync(at('note.log'))
  writeFileSync(at('new.log'), 'new')
  writeFileSync(at('last'), 'last')
  await until(() => has('last'), { what: 'the last file' })
  t.ok(has('note.log'), 'a newly ignored file is not deleted')
  t.absent(has('new.log'), 'nor published')
})
