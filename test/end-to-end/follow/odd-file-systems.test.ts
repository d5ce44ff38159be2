import {
  chmodSync,
  lstatSync,
  mkdirSync,
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
import { type Command, startClone, startShare } from '../../support/cli.ts'
import { OddDisk, type OddKind, oddKinds, oddTest } from '../../support/odd-file-system.ts'
import { matches } from '../../support/says.ts'
import { startTestnet } from '../../support/testnet.ts'
import { contentsOf, hasFetched, tracesOf, troublesOf, waitForContents } from '../../support/traces.ts'

/** A shared folder, and a disk of an odd kind to mirror it on. */
async function startSource(t: Assert, kind: OddKind, fill: (at: (path: string) => string) => void) {
  const { text: bootstrap } = await startTestnet(t)
  const source = await t.tmp()
  const at = (path: string) => join(source, path)
  fill(at)
  const disk = await OddDisk.make(t, kind)
  const mirror = join(disk.root, 'mirror')
  const writer = await startShare(t, source, { bootstrap })
  const follow = (...args: string[]) => startClone(t, writer.key, mirror, { bootstrap, args })
  return { bootstrap, at, disk, mirror, writer, follow, here: (path: string) => join(mirror, path) }
}

/** The names as this disk lists them. */
function listed(kind: OddKind, contents: Record<string, string>): Record<string, string> {
  if (kind === 'exfat') return contents
  return Object.fromEntries(Object.entries(contents).map(([path, content]) => [path.toLowerCase(), content]))
}

for (const kind of oddKinds) {
  oddTest('a mirror is complete, and unchanged when its disk is plugged in again', kind, async (t) => {
    const { mirror, at, disk, follow } = await startSource(t, kind, (at) => {
      mkdirSync(at('Dir/Sub'), { recursive: true })
      for (const path of ['plain.txt', 'exec.sh', 'Dir/Sub/Deep.txt', '\u00e9', 'e\u0301', 'old']) {
        writeFileSync(at(path), `of ${path}`)
      }
      writeFileSync(at('large'), bytesOf(1_000_000, 1))
      writeFileSync(at('empty'), '')
      chmodSync(at('exec.sh'), 0o755)
      chmodSync(at('plain.txt'), 0o444)
      chmodSync(at('Dir/Sub'), 0o700)
      utimesSync(at('plain.txt'), '1614834367.089', '1614834367.089')
      utimesSync(at('old'), '-5.5', '-5.5')
      utimesSync(at('Dir'), '1614834367.089', '1614834367.089')
    })
    const first = follow('--once')
    t.is(await first.exit(), 0)
    t.alike(troublesOf(first), [])
    t.alike(contentsOf(mirror), listed(kind, contentsOf(at(''))))

    disk.remount()
    const before = tracesOf(mirror)
    const second = follow('--once')
    t.is(await second.exit(), 0)
    t.alike(troublesOf(second), [])
    t.absent(hasFetched(second), 'no content was fetched again')
    t.alike(tracesOf(mirror), before, 'no file was rewritten')
  })

  oddTest('names that collide on this disk are both kept, and stay in place', kind, async (t) => {
    const { here, mirror, at, follow } = await startSource(t, kind, (at) => {
      for (const directory of ['Docs', 'docs']) mkdirSync(at(directory))
      for (const path of ['A.txt', 'a.txt', 'Docs/x', 'docs/x', 'docs/y']) writeFileSync(at(path), `of ${path}`)
    })
    const [file, directory] = ['a~18b7cb.txt', 'docs~46b42b']
    const contents: Record<string, string> = {
      'A.txt': 'of A.txt',
      [file]: 'of a.txt',
      'Docs/x': 'of Docs/x',
      [`${directory}/x`]: 'of docs/x',
      [`${directory}/y`]: 'of docs/y'
    }
    const first = follow('--once')
    t.is(await first.exit(), 3)
    t.alike(contentsOf(mirror), listed(kind, contents))
    const problems = first.events.flatMap((event) => (event.type === 'problem' ? [event] : []))
    t.alike(problems.map(({ path }) => path).sort(), ['a.txt', 'docs'], 'each collision is reported once')
    matches(
      t,
      problems.find(({ path }) => path === 'a.txt')?.message ?? '',
      /doesn't tell it from A\.txt.*a~18b7cb\.txt/
    )
    t.is(troublesOf(first).length, 2)

    const before = tracesOf(mirror)
    const again = follow('--once')
    t.is(await again.exit(), 3)
    t.is(troublesOf(again).length, 2)
    t.is((await again.event('applied')).changes, 0)
    t.alike(tracesOf(mirror), before, 'no file was rewritten')

    const reader = follow()
    await reader.event('in-sync')
    writeFileSync(at('a.txt'), 'changed')
    await waitForContents(t, mirror, listed(kind, { ...contents, [file]: 'changed' }))
    const { [file]: _, ...others } = tracesOf(mirror)
    const { [file]: __, ...othersBefore } = before
    t.alike(others, othersBefore, 'the other colliding name was not touched')

    await reader.event('applied', ({ changes }) => changes === 1)
    const soFar = reader.events.length
    rmSync(at('A.txt'))
    rmSync(at('Docs'), { recursive: true })
    await waitForContents(t, mirror, listed(kind, { 'a.txt': 'changed', 'docs/x': 'of docs/x', 'docs/y': 'of docs/y' }))
    await reader.event('applied', (event) => event.problems === 0)
    t.is(troublesOf(reader).length, 2, 'no conflict and no further problem')
    t.absent(hasFetched(reader, soFar), 'the file was renamed to its own name without a download')
    writeFileSync(at('A.txt'), 'again')
    await waitForContents(
      t,
      mirror,
      listed(kind, {
        'A.txt': 'again',
        [file]: 'changed',
        'docs/x': 'of docs/x',
        'docs/y': 'of docs/y'
      })
    )
    t.is(readFileSync(here('a.txt'), 'utf8'), 'again', 'the first of the two names')

    const sinceThen = reader.events.length
    rmSync(at('a.txt'))
    await reader.event('applied', (event) => event.problems === 0, sinceThen)
    t.alike(contentsOf(mirror), listed(kind, { 'A.txt': 'again', 'docs/x': 'of docs/x', 'docs/y': 'of docs/y' }))
  })

  oddTest('a name that changes only its case is followed, with everything beneath it', kind, async (t) => {
    const { here, mirror, at, follow } = await startSource(t, kind, (at) => {
      mkdirSync(at('Docs/Deep'), { recursive: true })
      for (const path of ['a.txt', 'Docs/Deep/x', 'Docs/Deep/Y', '\u00e9']) writeFileSync(at(path), `of ${path}`)
    })
    const reader = follow()
    await reader.event('in-sync')
    writeFileSync(here('docs/own'), 'own')
    const before = reader.events.length
    renameSync(at('a.txt'), at('A.txt'))
    renameSync(at('\u00e9'), at('e\u0301'))
    renameSync(at('Docs/Deep/Y'), at('Docs/Deep/y'))
    renameSync(at('Docs'), at('docs'))
    await waitForContents(
      t,
      mirror,
      listed(kind, {
        'A.txt': 'of a.txt',
        'e\u0301': 'of \u00e9',
        'docs/Deep/x': 'of Docs/Deep/x',
        'docs/Deep/y': 'of Docs/Deep/Y',
        'docs/own': 'own'
      })
    )
    await reader.event('in-sync', () => true, before)
    t.alike(troublesOf(reader), [])
    t.absent(hasFetched(reader, before), 'no content was fetched for it')
    rmSync(at('A.txt'))
    rmSync(at('docs/Deep'), { recursive: true })
    await waitForContents(t, mirror, listed(kind, { 'e\u0301': 'of \u00e9', 'docs/own': 'own' }))
    await reader.kill('SIGTERM')
    const last = tracesOf(mirror)
    const again = follow('--once')
    t.is(await again.exit(), 0)
    t.alike(troublesOf(again), [])
    t.alike(tracesOf(mirror), last)
  })

  oddTest("a user's file whose name collides with one in the log is kept under another name", kind, async (t) => {
    const { mirror, follow } = await startSource(t, kind, (at) => {
      writeFileSync(at('README'), 'of the log')
      writeFileSync(at('Same'), 'same')
    })
    mkdirSync(mirror)
    writeFileSync(join(mirror, 'Readme'), 'my own')
    writeFileSync(join(mirror, 'sAmE'), 'same')
    const reader = follow('--adopt', '--once')
    t.is(await reader.exit(), 0)
    const { path, keptAs } = await reader.event('conflict')
    t.is(path, 'README')
    t.alike(contentsOf(mirror), listed(kind, { README: 'of the log', [keptAs]: 'my own', Same: 'same' }))
  })
}

oddTest('a change within the same second and of the same size is found, and kept as a conflict', 'exfat', async (t) => {
  const { mirror, at, here, follow } = await startSource(t, 'exfat', (at) => {
    writeFileSync(at('file'), 'one')
    // However long the steps before took, this change is recent.
    const soon = String(Math.floor(Date.now() / 1000) + 600)
    utimesSync(at('file'), soon, soon)
  })
  const reader = follow()
  await reader.event('in-sync')
  // The coarse times of this disk don't distinguish it from the mirror's own write.
  const { mtimeMs } = lstatSync(here('file'))
  writeFileSync(here('file'), 'own')
  utimesSync(here('file'), String(mtimeMs / 1000), String(mtimeMs / 1000))
  writeFileSync(at('file'), 'two')
  const { keptAs } = await reader.event('conflict')
  await waitForContents(t, mirror, { file: 'two', [keptAs]: 'own' })
})

oddTest('a local change is reported once', 'exfat', async (t) => {
  const { mirror, at, here, follow } = await startSource(t, 'exfat', (at) => {
    for (const name of ['mine', 'other']) writeFileSync(at(name), name)
  })
  const reader = follow()
  await reader.event('in-sync')
  writeFileSync(here('mine'), 'my own')
  for (const content of ['one', 'two', 'three']) {
    writeFileSync(at('other'), content)
    await waitForContents(t, mirror, { mine: 'my own', other: content })
  }
  t.alike(troublesOf(reader), [{ type: 'diverged', path: 'mine', kind: 'changed' }])
})

oddTest(
  'a path that the file system cannot hold is a problem of its own, and the others arrive',
  'exfat',
  async (t) => {
    const { mirror, follow } = await startSource(t, 'exfat', (at) => {
      symlinkSync('file', at('link'))
      writeFileSync(at('file'), 'content')
      writeFileSync(at('what?'), 'a name that exFAT forbids')
    })
    for (const round of ['first', 'second']) {
      const reader = follow('--once')
      t.is(await reader.exit(), 3, round)
      const problems = reader.events.flatMap((event) => (event.type === 'problem' ? [event] : []))
      t.alike(problems.map(({ path }) => path).sort(), ['link', 'what?'])
      matches(t, problems.find(({ path }) => path === 'link')?.message ?? '', /can't hold symlinks/)
      t.is(troublesOf(reader).length, 2)
      t.alike(contentsOf(mirror), { file: 'content' })
    }
  }
)

oddTest('a folder on such a disk is shared, and shared again after the disk was unplugged', 'exfat', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const disk = await OddDisk.make(t, 'exfat')
  const at = (path: string) => join(disk.root, path)
  mkdirSync(at('Docs'))
  for (const path of ['a.txt', 'Docs/x']) writeFileSync(at(path), `of ${path}`)
  const first = await startShare(t, disk.root, { bootstrap })
  // Times are coarse on such a disk: files are read after they have rested.
  await first.event('published', ({ files }) => files === 2)
  const mirror = join(await t.tmp(), 'mirror')
  const reader = startClone(t, first.key, mirror, { bootstrap })
  await reader.event('in-sync')
  renameSync(at('a.txt'), at('A.txt'))
  renameSync(at('Docs'), at('docs'))
  const contents = { 'A.txt': 'of a.txt', 'docs/x': 'of Docs/x' }
  await waitForContents(t, mirror, contents)
  await reader.event('in-sync')
  const { version } = (await first.event('up-to-date')) && last(first)
  await first.kill('SIGTERM')

  disk.remount()
  const second = await startShare(t, disk.root, { bootstrap })
  t.is(second.key, first.key)
  t.is((await second.event('up-to-date')).version, version, 'no new version was published')
  writeFileSync(at('new'), 'new')
  await waitForContents(t, mirror, { ...contents, new: 'new' })
})

oddTest('a file on such a disk that changes only the case of its name is published once', 'exfat', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const disk = await OddDisk.make(t, 'exfat')
  const at = (path: string) => join(disk.root, path)
  mkdirSync(at('docs'))
  for (const path of ['a.txt', 'docs/b']) writeFileSync(at(path), `of ${path}`)
  const writer = await startShare(t, disk.root, { bootstrap })
  // Times are coarse on such a disk: files are read after they have rested, and may have another name by then.
  renameSync(at('a.txt'), at('A.txt'))
  await writer.event('published', ({ files }) => files === 2)
  const mirror = join(await t.tmp(), 'mirror')
  startClone(t, writer.key, mirror, { bootstrap })
  await waitForContents(t, mirror, { 'A.txt': 'of a.txt', 'docs/b': 'of docs/b' })
  renameSync(at('A.txt'), at('a.TXT'))
  renameSync(at('docs/b'), at('docs/B'))
  await waitForContents(t, mirror, { 'a.TXT': 'of a.txt', 'docs/B': 'of docs/b' })
})

/** The version that a writer published last. */
function last({ events }: Command): { readonly version: number } {
  return events.flatMap((event) => (event.type === 'published' ? [event] : [])).at(-1) as { version: number }
}
