import { appendFileSync, chmodSync, lstatSync, mkdirSync, renameSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import { isRacy, mtimeOf, seeAt, signatureOf, uniqueIn } from '../../../src/disk/read/seen.ts'
import { pathOf } from '../../support/entries.ts'
import { until } from '../../support/until.ts'

/** Waits until the clock of file times has ticked, so that a change shows in them. */
async function nextTick(root: string): Promise<void> {
  const probe = join(root, 'probe')
  const look = () => {
    writeFileSync(probe, '')
    return lstatSync(probe).mtimeMs
  }
  const first = look()
  await until(() => look() > first, { what: 'the clock of file times' })
}

test('the signature of a file changes with its content, its metadata and its inode', async (t) => {
  const root = await t.tmp()
  const file = join(root, 'file')
  writeFileSync(file, 'one')
  const signatures = [signatureOf(lstatSync(file))]
  t.is(signatureOf(lstatSync(file)), signatures[0], 'and with nothing else')
  const changes: (() => void)[] = [
    () => appendFileSync(file, '!'),
    () => writeFileSync(file, 'two!'),
    () => chmodSync(file, 0o600),
    () => utimesSync(file, 1, 1),
    () => renameSync(file, `${file}2`),
    () => writeFileSync(file, 'two!')
  ]
  for (const change of changes) {
    await nextTick(root)
    change()
    if (change === changes[4]) continue // It is gone until the next one.
    signatures.push(signatureOf(lstatSync(file)))
  }
  t.is(new Set(signatures).size, signatures.length)
})

test('a change that restores size and time still changes the signature', async (t) => {
  const root = await t.tmp()
  const file = join(root, 'file')
  writeFileSync(file, 'one')
  utimesSync(file, 1e9, 1e9)
  const before = lstatSync(file)
  await nextTick(root)
  writeFileSync(file, 'two')
  utimesSync(file, 1e9, 1e9)
  const after = lstatSync(file)
  t.is(after.mtimeMs, before.mtimeMs)
  t.is(after.size, before.size)
  t.not(signatureOf(after), signatureOf(before))
})

test('the signature of a directory stays while files come and go in it', async (t) => {
  const root = await t.tmp()
  const directory = join(root, 'directory')
  mkdirSync(directory)
  const before = signatureOf(lstatSync(directory))
  await nextTick(root)
  writeFileSync(join(directory, 'file'), '')
  chmodSync(directory, 0o700)
  t.is(signatureOf(lstatSync(directory)), before)
})

test('a file is racy for as long as a change might not show in its times', async (t) => {
  const file = join(await t.tmp(), 'file')
  writeFileSync(file, '')
  utimesSync(file, 1e9, 1e9)
  const stats = lstatSync(file)
  if (stats.ctimeMs % 1000 === 0) return t.comment('a time of whole seconds, by chance')
  t.ok(isRacy(stats, stats.ctimeMs), 'at the same moment')
  t.ok(isRacy(stats, stats.ctimeMs + 10), 'within a tick')
  t.absent(isRacy(stats, stats.ctimeMs + 100), 'later')
  t.absent(isRacy(stats, stats.ctimeMs - 5000), 'with a clock that was set back a further change has another time')
})

test('a time is cut off to whole milliseconds, before 1970 too', async (t) => {
  const file = join(await t.tmp(), 'file')
  writeFileSync(file, '')
  for (const [seconds, ms] of [
    [1.0015004, 1001],
    [0, 0],
    [-1, -1000],
    [-0.0014, -2],
    [4_102_444_800, 4_102_444_800_000]
  ] as const) {
    // As text: Node takes a negative number for the time being.
    utimesSync(file, String(seconds), String(seconds))
    t.is(mtimeOf(lstatSync(file)), ms, `${seconds} s`)
  }
})

test('seeAt gives the state of replicated kinds of files, and a noun for others', (t) => {
  t.is(seeAt('/dev/null', lstatSync('/dev/null')), 'device')
  const seen = seeAt('/', lstatSync('/'))
  t.is(typeof seen === 'object' && seen.type, 'directory')
})

test('a signature is unique with stable inode numbers and fine times', async (t) => {
  const root = await t.tmp()
  mkdirSync(join(root, 'directory'))
  const [fine, coarse] = ['5:1000:1000.25:12', '5:1000:2000:12']
  const isUnique = uniqueIn(root)
  t.is(isUnique(pathOf('directory/file'), fine), process.platform === 'linux')
  t.absent(isUnique(pathOf('directory/file'), coarse))
  t.absent(isUnique(pathOf('missing/file'), fine))
  t.absent(uniqueIn('/proc')(pathOf('self/status'), fine))
})
