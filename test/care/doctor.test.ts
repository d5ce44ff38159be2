import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import type { Check } from '../../src/care/checks.ts'
import { type DiagnoseOptions, runDiagnosis } from '../../src/care/doctor.ts'
import { writeMarker } from '../../src/disk/state/marker.ts'
import { codeOf } from '../support/failure.ts'
import { Share } from '../support/share.ts'

const offline = { bootstrap: [], noLan: true }

async function checksOf(options: DiagnoseOptions): Promise<ReadonlyMap<string, Check>> {
  const checks = new Map<string, Check>()
  for await (const check of runDiagnosis({ ...offline, ...options })) checks.set(check.name, check)
  return checks
}

test('a target that is nothing is refused before the first check', async (t) => {
  t.is(await codeOf(() => runDiagnosis({ ...offline, target: 'nothing' }).next()), 'BAD_KEY')
  t.is(await codeOf(() => runDiagnosis({ ...offline, target: '/nowhere/at/all' }).next()), 'FOLDER_MISSING')
  const file = join(await t.tmp(), 'file')
  writeFileSync(file, '')
  t.is(await codeOf(() => runDiagnosis({ ...offline, target: file }).next()), 'FOLDER_MISSING')
})

test('without a target the machine is checked, and nothing is asked of networks that are off', async (t) => {
  const checks = await checksOf({})
  const names = ['udp', 'dht', 'nat', 'multicast', 'tcp-port', 'tcp-congestion', 'file-system', 'space']
  t.alike([...checks.keys()], [...names, 'notifications', 'node', 'memory', 'clock'])
  for (const name of ['dht', 'multicast']) t.alike(checks.get(name), { name, state: 'ok', message: 'off' })
  t.is(checks.get('nat')?.message, 'not asked for, without a DHT')
})

test('a directory is checked for a folder, which may be at work', async (t) => {
  const empty = await checksOf({ target: await t.tmp() })
  t.is(empty.get('store')?.message, 'none: this is no folder of p2psync')
  const share = await Share.open(t, { a: 'a' })
  const busy = await checksOf({ target: share.root })
  t.is(busy.get('store')?.message, 'in use by a running p2psync, which looks after it')
})

test('the store of a folder at rest is read', async (t) => {
  const share = await Share.open(t, { a: 'a' })
  const version = await share.publish(t)
  await share.close()
  t.is((await checksOf({ target: share.root })).get('store')?.message, 'empty: it was never shared to the end')
  writeMarker(share.root, { ...share.folder.marker, key: share.writer.key })
  const whole = (await checksOf({ target: share.root })).get('store')
  t.ok(whole?.message.startsWith(`can be read; its latest version is ${version.length}, made at 20`), whole?.message)
  writeFileSync(join(share.folder.store, 'db', 'CURRENT'), 'nonsense')
  const damaged = (await checksOf({ target: share.root })).get('store')
  t.is(damaged?.state, 'failure')
  t.ok(damaged?.advice?.includes('--moved'), damaged?.advice)
})
