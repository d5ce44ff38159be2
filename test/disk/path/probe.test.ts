import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'brittle'
import { takeLock } from '../../../src/disk/path/lock.ts'
import {
  isLocked,
  kindAt,
  lastOwnTimeMs,
  probeDisk,
  probeNotifications,
  probeSpace,
  tcpPortHolder
} from '../../../src/disk/path/probe.ts'
import { diskBytes } from '../../../src/disk/path/space.ts'
import { stateDirectoryName } from '../../../src/tree/path.ts'
import { codeOf } from '../../support/failure.ts'

const onLinux = process.platform === 'linux'
const minuteMs = 60_000

test('kindAt tells a directory, a file and a missing path apart', async (t) => {
  const root = await t.tmp()
  mkdirSync(join(root, 'directory'))
  writeFileSync(join(root, 'file'), '')
  symlinkSync('directory', join(root, 'link'))
  symlinkSync('loop', join(root, 'loop'))
  t.is(await kindAt(join(root, 'directory'), minuteMs), 'directory')
  t.is(await kindAt(join(root, 'link'), minuteMs), 'directory', 'it follows a symlink')
  t.is(await kindAt(join(root, 'file'), minuteMs), 'other')
  t.is(await kindAt(join(root, 'missing'), minuteMs), 'nothing')
  t.is(await kindAt(join(root, 'loop'), minuteMs), 'unreadable')
})

test('kindAt gives up after its deadline', async (t) => {
  t.is(await kindAt(await t.tmp(), 0), 'silent', 'no process starts within 0 ms')
})

test('probeSpace agrees with the size of the disk', async (t) => {
  const root = await t.tmp()
  const { freeBytes, totalBytes, freeFiles } = await probeSpace(root)
  t.is(totalBytes, diskBytes(root))
  t.ok(freeBytes <= totalBytes)
  t.ok(freeFiles === undefined || freeFiles >= 0)
  t.is(await codeOf(() => probeSpace(join(root, 'missing'))), 'ENOENT')
})

test('probeDisk writes in the state directory of the folder around it', async (t) => {
  const root = await t.tmp()
  const deep = join(root, 'a/b')
  mkdirSync(deep, { recursive: true })
  const marker = join(root, stateDirectoryName, 'folder.json')
  mkdirSync(join(root, stateDirectoryName))
  writeFileSync(marker, '{}')
  utimesSync(deep, 1, 1)
  utimesSync(join(root, stateDirectoryName), 1, 1)

  const { keepsLinks } = await probeDisk(deep)
  t.is(keepsLinks, true)
  const timesOf = (path: string) => Number(execFileSync('stat', ['-c', '%Y', path], { encoding: 'utf8' }))
  t.is(timesOf(deep), 1, 'the directory itself stays as it was')
  t.not(timesOf(join(root, stateDirectoryName)), 1)
  t.alike(readdirSync(join(root, stateDirectoryName)), ['folder.json'], 'the probe removes its files')
})

test('probeDisk writes in the directory itself outside any folder', async (t) => {
  const root = await t.tmp()
  utimesSync(root, 1, 1)
  await probeDisk(root)
  t.alike(readdirSync(root), [])
  t.not(Number(execFileSync('stat', ['-c', '%Y', root], { encoding: 'utf8' })), 1)
})

test('probeNotifications counts directories but not the state directory', { skip: !onLinux }, async (t) => {
  const root = await t.tmp()
  mkdirSync(join(root, 'a/b'), { recursive: true })
  mkdirSync(join(root, stateDirectoryName, 'store'), { recursive: true })
  symlinkSync('a', join(root, 'link'))
  const { watchesMax, reason, directories, isCounted } = await probeNotifications(root, new AbortController().signal)
  t.is(watchesMax, Number(readFileSync('/proc/sys/fs/inotify/max_user_watches', 'utf8')))
  t.alike({ reason, directories, isCounted }, { reason: undefined, directories: 3, isCounted: true })

  const cut = await probeNotifications(root, AbortSignal.abort())
  t.alike([cut.directories, cut.isCounted], [0, false], 'an abort ends the count')
  const missing = await probeNotifications(join(root, 'missing'), new AbortController().signal)
  t.is(missing.reason, 'ENOENT')
  const none = await probeNotifications(undefined, new AbortController().signal)
  t.alike([none.directories, none.isCounted], [undefined, false])
})

test('lastOwnTimeMs gives the latest time among the files of the state directory', async (t) => {
  const root = await t.tmp()
  t.is(lastOwnTimeMs(root), undefined)
  mkdirSync(join(root, stateDirectoryName, 'store'), { recursive: true })
  for (const [name, seconds] of [
    ['folder.json', 1000],
    ['store/CORESTORE', 3000],
    ['lock', 2000],
    ['other', 9000]
  ] as const) {
    const path = join(root, stateDirectoryName, name)
    writeFileSync(path, '')
    utimesSync(path, seconds, seconds)
  }
  t.is(lastOwnTimeMs(root), 3_000_000)
})

test('isLocked sees a lock and does not take it', async (t) => {
  const path = join(await t.tmp(), 'lock')
  t.is(isLocked(path), false, 'there is no file')
  const lock = takeLock(path, 'The folder')
  t.is(isLocked(path), true)
  lock.release()
  t.is(isLocked(path), false)
  takeLock(path, 'The folder').release()
})

test('tcpPortHolder names the process that listens on a port', { skip: !onLinux }, async (t) => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The server has no port')
  const holder = tcpPortHolder(address.port)
  t.is(holder?.pid, process.pid)
  await new Promise<void>((resolve) => void server.close(() => resolve()))
  t.is(tcpPortHolder(address.port), undefined)
})
