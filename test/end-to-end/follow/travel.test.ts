import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { bytesOf } from '../../support/bytes.ts'
import { startClone, startShare } from '../../support/cli.ts'
import { waitUntilEqual } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'
import { until } from '../../support/until.ts'

/** A folder with every kind of entry that is published, and a mirror that follows it. */
async function startPair(t: Assert, fill: (source: string) => void) {
  const { text: bootstrap } = await startTestnet(t)
  const source = await t.tmp()
  const mirror = join(await t.tmp(), 'made/by/clone')
  fill(source)
  const writer = await startShare(t, source, { bootstrap })
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await reader.event('in-sync')
  return { source, mirror, writer, reader, bootstrap }
}

function fillWithEverything(source: string): void {
  const at = (path: string) => join(source, path)
  writeFileSync(at('small.txt'), 'hello')
  writeFileSync(at('empty'), '')
  mkdirSync(at('empty directory'))
  mkdirSync(at('deep/er/and/deeper'), { recursive: true })
  writeFileSync(at('deep/er/and/deeper/file'), 'deep')
  writeFileSync(at('large.bin'), bytesOf(5_000_000))
  writeFileSync(at('new\nline, emoji 🦉 and "quotes"'), 'odd')
  writeFileSync(at('é'.normalize('NFC')), 'composed')
  writeFileSync(at('é'.normalize('NFD')), 'decomposed')
  writeFileSync(at('n'.repeat(255)), 'long')
  writeFileSync(at('script.sh'), '#!/bin/sh\n', { mode: 0o755 })
  chmodSync(at('small.txt'), 0o600)
  utimesSync(at('small.txt'), 1_600_000_000, 1_600_000_000.123)
  utimesSync(at('empty'), 0, -86_400.5)
  utimesSync(at('script.sh'), 0, 4_102_444_800.999)
  symlinkSync('small.txt', at('link'))
  symlinkSync('/etc/hostname', at('absolute link'))
  symlinkSync('nowhere/at all', at('dangling link'))
  symlinkSync('deep', at('directory link'))
}

test('every kind of entry arrives unchanged', async (t) => {
  const { source, mirror } = await startPair(t, fillWithEverything)
  await waitUntilEqual(t, source, mirror, { directoryTimes: true })
})

test('a tree of 1,000 nested directories arrives', async (t) => {
  const { source, mirror } = await startPair(t, (source) => {
    const deep = Array.from({ length: 1000 }, () => 'd').join('/')
    mkdirSync(join(source, deep), { recursive: true })
    writeFileSync(join(source, deep, 'bottom'), 'reached')
  })
  await waitUntilEqual(t, source, mirror)
})

const edits: ReadonlyArray<[name: string, edit: (at: (path: string) => string) => void]> = [
  ['a new file', (at) => writeFileSync(at('new'), 'new')],
  ['a changed file', (at) => writeFileSync(at('small.txt'), 'changed')],
  ['a file changed with its size and time kept', (at) => rewriteKeepingTime(at('small.txt'), 'jello')],
  ['an appended file', (at) => writeFileSync(at('large.bin'), 'tail', { flag: 'a' })],
  ['a removed file', (at) => rmSync(at('small.txt'))],
  ['a renamed file', (at) => renameSync(at('large.bin'), at('renamed.bin'))],
  ['a copied file', (at) => copyFileSync(at('large.bin'), at('copy.bin'))],
  ['another mode', (at) => chmodSync(at('script.sh'), 0o640)],
  ['another time', (at) => utimesSync(at('script.sh'), 1, 987_654_321.012)],
  ['a new tree of directories', (at) => cpSync(at('deep'), at('fresh/copy'), { recursive: true })],
  ['a renamed directory', (at) => renameSync(at('deep'), at('renamed deep'))],
  ['a removed directory', (at) => rmSync(at('deep'), { recursive: true })],
  ['a directory removed and made again', (at) => remake(at('deep'))],
  [
    'a file that becomes a directory',
    (at) => replaceBy(at('small.txt'), () => mkdirSync(at('small.txt/in it'), { recursive: true }))
  ],
  ['a directory that becomes a file', (at) => replaceBy(at('deep'), () => writeFileSync(at('deep'), 'flat'))],
  ['a file that becomes a symlink', (at) => replaceBy(at('small.txt'), () => symlinkSync('empty', at('small.txt')))],
  [
    'a symlink that becomes a directory',
    (at) => replaceBy(at('directory link'), () => mkdirSync(at('directory link')))
  ],
  ['a directory that becomes a symlink', (at) => replaceBy(at('deep'), () => symlinkSync('/tmp', at('deep')))],
  ['a symlink that points elsewhere', (at) => replaceBy(at('link'), () => symlinkSync('elsewhere', at('link')))],
  [
    'a save by rename',
    (at) => {
      writeFileSync(at('.small.tmp'), 'saved')
      renameSync(at('.small.tmp'), at('small.txt'))
    }
  ],
  ['two files that change places', (at) => swap(at('small.txt'), at('script.sh'), at('third'))]
]

function rewriteKeepingTime(path: string, content: string): void {
  writeFileSync(path, content)
  utimesSync(path, 1_600_000_000, 1_600_000_000.123)
}

function replaceBy(path: string, make: () => void): void {
  rmSync(path, { recursive: true })
  make()
}

function remake(path: string): void {
  for (let i = 0; i < 3; i++) {
    replaceBy(path, () => mkdirSync(join(path, `round ${i}`), { recursive: true }))
    writeFileSync(join(path, `round ${i}`, 'file'), `round ${i}`)
  }
}

function swap(a: string, b: string, spare: string): void {
  renameSync(a, spare)
  renameSync(b, a)
  renameSync(spare, b)
}

test('every kind of change is followed live', async (t) => {
  const { source, mirror } = await startPair(t, fillWithEverything)
  for (const [name, edit] of edits) {
    t.comment(name)
    edit((path) => join(source, path))
    await waitUntilEqual(t, source, mirror)
    // Restored, for the next edit.
    for (const path of readdirSync(source)) if (path !== '.p2psync') rmSync(join(source, path), { recursive: true })
    fillWithEverything(source)
    await waitUntilEqual(t, source, mirror)
  }
})

test('a write to a replaced directory is noticed', async (t) => {
  const { source, mirror } = await startPair(t, fillWithEverything)
  for (let round = 0; round < 5; round++) {
    remake(join(source, 'deep'))
    await waitUntilEqual(t, source, mirror)
    writeFileSync(join(source, 'deep/round 2/later'), `written in round ${round}`)
    await until(() => existsSync(join(mirror, 'deep/round 2/later')), { what: 'the file in the new directory' })
    await waitUntilEqual(t, source, mirror)
  }
})

test('a rename and a copy store no content, and a moved directory is one version', async (t) => {
  const { source, mirror, writer } = await startPair(t, (source) => {
    mkdirSync(join(source, 'photos'))
    for (let i = 0; i < 100; i++) writeFileSync(join(source, `photos/${i}`), bytesOf(20_000, i + 1))
    writeFileSync(join(source, 'photos/film'), bytesOf(3_000_000, 1000))
  })
  await writer.event('up-to-date')
  const before = writer.events.length
  renameSync(join(source, 'photos'), join(source, 'pictures'))
  await waitUntilEqual(t, source, mirror)
  cpSync(join(source, 'pictures'), join(source, 'copies'), { recursive: true, preserveTimestamps: true })
  await waitUntilEqual(t, source, mirror)

  const versions = writer.events.slice(before).filter((event) => event.type === 'published')
  t.is(versions[0]?.puts, 102, 'the first version adds all paths of the moved directory')
  t.is(versions[0]?.removals, 102, 'the first version removes all old paths')
  for (const version of versions) t.is(version.stored, 0, 'no content was stored')
})

test('a file that is being written is published only when complete', async (t) => {
  const { source, mirror } = await startPair(t, fillWithEverything)
  const path = join(source, 'growing')
  const line = `${'x'.repeat(999)}\n`
  for (let i = 0; i < 200; i++) {
    writeFileSync(path, line, { flag: 'a' })
    const seen = existsSync(join(mirror, 'growing')) ? readFileSync(join(mirror, 'growing')) : ''
    if (seen.length % 1000 !== 0) t.fail(`a torn file of ${seen.length} bytes`)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await waitUntilEqual(t, source, mirror)
})
