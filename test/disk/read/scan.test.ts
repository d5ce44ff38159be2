import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, renameSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'brittle'
import { scanFolder } from '../../../src/disk/read/scan.ts'
import { parseIgnoreRules } from '../../../src/tree/ignore.ts'
import { descriptorCount, tellsDescriptors } from '../../support/descriptors.ts'
import { pathOf, someTimeMs } from '../../support/entries.ts'
import { codeOf, failureOf } from '../../support/failure.ts'
import { Problems } from '../../support/problems.ts'

/** Root reads what its mode forbids, so nothing is unreadable to it. */
const isRoot = process.getuid?.() === 0
const onLinux = process.platform === 'linux'

async function pathsIn(root: string, options: Parameters<typeof scanFolder>[1] = {}): Promise<string[]> {
  const { seen } = await scanFolder(root, options)
  return [...seen.keys()].sort()
}

test('a scan sees the folder that it began with, also when another takes its place', { skip: !onLinux }, async (t) => {
  const root = join(await t.tmp(), 'folder')
  const many = 30
  for (let i = 0; i < many; i++) {
    mkdirSync(join(root, `d${i}`), { recursive: true })
    for (let j = 0; j < 100; j++) writeFileSync(join(root, `d${i}/f${j}`), '')
  }
  let moved = false
  const onProgress = () => {
    if (moved) return
    moved = true
    renameSync(root, `${root}-moved`)
    mkdirSync(root)
  }
  const { seen, unreadable } = await scanFolder(root, { onProgress })
  t.ok(moved, 'it was replaced in the middle')
  t.is(seen.size, many * 101)
  t.is(unreadable.size, 0)
})

test('a scan asks whether the folder is the right one by the name that it holds it by', async (t) => {
  const root = await t.tmp()
  writeFileSync(join(root, 'mark'), '')
  const guard = (at: string) => {
    if (!existsSync(join(at, 'mark'))) throw new Error('another folder')
  }
  t.alike(await pathsIn(root, { guard }), ['mark'])
  renameSync(join(root, 'mark'), join(root, 'other'))
  t.is(((await failureOf(() => scanFolder(root, { guard }))) as Error).message, 'another folder')
  t.is(await codeOf(() => scanFolder(join(root, 'nowhere'), { guard })), 'HALTED')
})

test('a scan sees files, directories and links with their metadata', async (t) => {
  const root = await t.tmp()
  mkdirSync(join(root, 'directory/empty'), { recursive: true })
  writeFileSync(join(root, 'directory/file'), 'four')
  symlinkSync('nowhere', join(root, 'link'))
  symlinkSync('directory', join(root, 'link-to-directory'))
  chmodSync(join(root, 'directory/file'), 0o4751)
  utimesSync(join(root, 'directory/file'), someTimeMs / 1000 + 5e-7, someTimeMs / 1000 + 5e-7)
  const problems = new Problems()

  const { seen } = await scanFolder(root, { onProblem: problems.add })

  t.alike([...seen.keys()].sort(), ['directory', 'directory/empty', 'directory/file', 'link', 'link-to-directory'])
  const file = seen.get(pathOf('directory/file'))
  t.is(file?.type === 'file' && file.size, 4)
  t.is(file?.type === 'file' && file.mode, 0o751, 'permission bits only')
  t.is(file?.mtimeMs, someTimeMs)
  t.is(seen.get(pathOf('directory/empty'))?.type, 'directory')
  const link = seen.get(pathOf('link'))
  t.is(link?.type === 'symlink' && link.target, 'nowhere')
  t.is(seen.get(pathOf('link-to-directory'))?.type, 'symlink', 'a link is never followed')
  t.alike(problems.list, [])
})

test('a scan of an empty folder covers everything and sees nothing', async (t) => {
  const scan = await scanFolder(await t.tmp())
  t.is(scan.seen.size, 0)
  t.is(scan.covers(pathOf('anything/at/all')), true)
  t.is(scan.frozen(pathOf('anything'), 'file'), false)
})

test('a scan fails where the folder is missing, or is no directory', async (t) => {
  const root = await t.tmp()
  writeFileSync(join(root, 'file'), '')
  t.is(await codeOf(() => scanFolder(join(root, 'missing'))), 'HALTED')
  t.is(await codeOf(() => scanFolder(join(root, 'file'))), 'HALTED')
})

test('a scan leaves out state directories at every depth', async (t) => {
  const root = await t.tmp()
  mkdirSync(join(root, '.p2psync/store'), { recursive: true })
  mkdirSync(join(root, 'a/.p2psync'), { recursive: true })
  writeFileSync(join(root, '.p2psync/folder.json'), '')
  writeFileSync(join(root, 'a/.p2psync/file'), '')
  const problems = new Problems()
  t.alike(await pathsIn(root, { onProblem: problems.add }), ['a'])
  t.alike(problems.list, [], 'which is no problem')
})

test('a scan reports files that are not replicated, and sees the rest', { skip: !onLinux }, async (t) => {
  const root = await t.tmp()
  const server = createServer().listen(join(root, 'socket'))
  await once(server, 'listening')
  t.teardown(() => void server.close())
  execFileSync('mkfifo', [join(root, 'fifo')])
  const inRoot = (...bytes: number[]) => Buffer.concat([Buffer.from(`${root}/`), Buffer.from(bytes)])
  writeFileSync(inRoot(0x66, 0xff), '')
  mkdirSync(inRoot(0xfe))
  symlinkSync(Buffer.from([0xff]), join(root, 'link'))
  writeFileSync(join(root, 'back\\slash'), '')
  writeFileSync(join(root, 'replaced \uFFFD'), '')
  mkdirSync(join(root, '.P2PSYNC'))
  writeFileSync(join(root, 'fine'), '')
  const problems = new Problems()

  t.alike(await pathsIn(root, { onProblem: problems.add }), ['fine', 'replaced \uFFFD'])

  t.alike(problems.paths, ['.P2PSYNC', 'back\\slash', 'f\xff', 'fifo', 'link', 'socket', '\xfe'].sort())
  t.ok(problems.list.every(({ action }) => action === 'scan'))
  t.is(problems.of('fifo'), 'Left out: a FIFO')
  t.is(problems.of('socket'), 'Left out: a socket')
  t.is(problems.of('link'), 'Left out: a link whose target is not UTF-8')
  t.is(problems.of('f\xff'), 'Left out: a name that is not UTF-8')
})

test('a scan takes names with newlines, emoji, quotes, leading dashes and 255 bytes', async (t) => {
  const root = await t.tmp()
  const names = ['two\nlines', '😀', '"quoted"', '-rf', ' ', '…', 'é', 'e\u0301', 'x'.repeat(255), '日'.repeat(85)]
  for (const name of names) writeFileSync(join(root, name), name)
  t.alike(await pathsIn(root), [...names].sort())
})

test('a scan sees a tree of 1,000 directories in each other, and what lies at its end', async (t) => {
  const root = await t.tmp()
  const deep = Array.from({ length: 1000 }, () => 'd').join('/')
  mkdirSync(join(root, deep), { recursive: true })
  writeFileSync(join(root, deep, 'file'), '')

  const { seen } = await scanFolder(root)

  t.is(seen.size, 1001)
  t.is(seen.get(pathOf(`${deep}/file`))?.type, 'file')
})

test('a scan leaves out what is ignored, and freezes it', async (t) => {
  const root = await t.tmp()
  mkdirSync(join(root, 'build/deep'), { recursive: true })
  writeFileSync(join(root, 'build/deep/file'), '')
  writeFileSync(join(root, 'keep.log'), '')
  writeFileSync(join(root, 'other.log'), '')
  writeFileSync(join(root, 'backup~'), '')
  const rules = parseIgnoreRules('build/\n*.log\n!keep.log\n')

  const scan = await scanFolder(root, { rules })

  t.alike([...scan.seen.keys()], ['keep.log'])
  t.ok(scan.frozen(pathOf('other.log'), 'file'))
  t.ok(scan.frozen(pathOf('build/deep/file'), 'file'))
  t.absent(scan.frozen(pathOf('keep.log'), 'file'))
  t.absent(scan.frozen(pathOf('gone'), 'file'))
})

// Skipped for root, to whom every directory is readable.
test('a scan freezes what lies in an unreadable directory, and sees the rest', { skip: isRoot }, async (t) => {
  const root = await t.tmp()
  mkdirSync(join(root, 'shut/inner'), { recursive: true })
  writeFileSync(join(root, 'open'), '')
  chmodSync(join(root, 'shut'), 0)
  t.teardown(() => chmodSync(join(root, 'shut'), 0o700), { order: 0 })
  const problems = new Problems()

  const scan = await scanFolder(root, { onProblem: problems.add })

  t.alike([...scan.seen.keys()].sort(), ['open', 'shut'])
  t.alike(problems.paths, ['shut'])
  t.ok(scan.frozen(pathOf('shut/inner/file'), 'file'))
  t.absent(scan.frozen(pathOf('open'), 'file'))
})

test('a scan yields to other work, reports progress, and can be aborted', async (t) => {
  const root = await t.tmp()
  for (let i = 0; i < 3; i++) {
    mkdirSync(join(root, `d${i}`))
    for (let j = 0; j < 1100; j++) writeFileSync(join(root, `d${i}/${j}`), '')
  }
  const counts: number[] = []
  const { seen } = await scanFolder(root, { onProgress: (paths) => counts.push(paths) })
  t.is(seen.size, 3303)
  t.ok(counts.length >= 3 && counts.every((count, i) => count > (counts[i - 1] ?? 0)), 'progress grows')

  const stop = new AbortController()
  let turns = 0
  const onProgress = () => {
    turns++
    stop.abort(new Error('enough'))
  }
  const dirty = new Map([0, 1, 2].map((i) => [pathOf(`d${i}`), 'deep'] as const))
  const error = await failureOf(() => scanFolder(root, { dirty, signal: stop.signal, onProgress }))
  t.is(error, stop.signal.reason)
  t.is(turns, 1, 'at the next turn')
})

test('a scan sees a directory that takes the place of another', async (t) => {
  const root = await t.tmp()
  mkdirSync(join(root, 'a'))
  const before = (await scanFolder(root)).seen.get(pathOf('a'))
  renameSync(join(root, 'a'), join(root, 'old'))
  mkdirSync(join(root, 'a'))
  const after = (await scanFolder(root)).seen.get(pathOf('a'))
  t.ok(before?.type === 'directory' && after?.type === 'directory' && before.signature !== after.signature)
})

test('a scan leaves no descriptor open', { skip: !tellsDescriptors }, async (t) => {
  const root = await t.tmp()
  mkdirSync(join(root, 'a/b'), { recursive: true })
  const before = descriptorCount()
  await scanFolder(root)
  await scanFolder(root, { dirty: new Map([[pathOf('a/b'), 'deep']]) })
  await codeOf(() => scanFolder(join(root, 'missing')))
  t.is(descriptorCount(), before)
})

test('files that are noted as unchanged are seen, but not held; in a part of a folder all are', async (t) => {
  const root = await t.tmp()
  mkdirSync(join(root, 'd'))
  for (const path of ['a', 'b', 'd/c']) writeFileSync(join(root, path), '')
  const noted = new Set<string>()
  const unchanged = {
    note: (path: string) => path !== 'b' && noted.add(path).has(path),
    has: (path: string) => noted.has(path)
  }
  const scan = await scanFolder(root, { unchanged })
  t.alike([...scan.seen.keys()], ['b', 'd'])
  for (const path of ['a', 'b', 'd', 'd/c']) t.ok(scan.saw(pathOf(path)), path)
  t.absent(scan.saw(pathOf('never')))
  const part = await scanFolder(root, { unchanged, dirty: new Map([[pathOf('a'), 'shallow']]) })
  t.alike([...part.seen.keys()], ['a'])
})
