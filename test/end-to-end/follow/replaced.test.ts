import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { startClone, startShare } from '../../support/cli.ts'
import { snapshot, waitUntilEqual } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'
import { until } from '../../support/until.ts'

async function startWriter(t: Assert, fill: (at: (path: string) => string) => void) {
  const { text: bootstrap } = await startTestnet(t)
  const around = await t.tmp()
  const source = join(around, 'source')
  mkdirSync(source)
  fill((path) => join(source, path))
  const writer = await startShare(t, source, { bootstrap })
  await writer.event('up-to-date')
  return { around, source, mirror: join(around, 'mirror'), writer, bootstrap }
}

/** Everything in a directory that was set aside from `name`. */
function keptOf(directory: string, name: string): string[] {
  return readdirSync(directory).filter((each) => each.startsWith(`${name}.conflict-`))
}

test('a link at the path of a file or directory is replaced, and its target is untouched', async (t) => {
  const { around, source, mirror, writer, bootstrap } = await startWriter(t, (at) => {
    writeFileSync(at('file'), 'the log’s')
    mkdirSync(at('directory'))
    writeFileSync(at('directory/inside'), 'the log’s too')
  })
  mkdirSync(join(around, 'outside'))
  writeFileSync(join(around, 'canary'), 'mine')
  writeFileSync(join(around, 'outside/inside'), 'mine too')
  mkdirSync(mirror)
  symlinkSync('../canary', join(mirror, 'file'))
  symlinkSync('../outside', join(mirror, 'directory'))
  const untouched = () => {
    t.is(readFileSync(join(around, 'canary'), 'utf8'), 'mine')
    t.alike([...snapshot(join(around, 'outside')).keys()], ['inside'])
    t.is(readFileSync(join(around, 'outside/inside'), 'utf8'), 'mine too')
  }
  const reader = startClone(t, writer.key, mirror, { bootstrap, args: ['--adopt'] })
  await reader.event('in-sync')
  t.is(readFileSync(join(mirror, 'file'), 'utf8'), 'the log’s')
  t.ok(lstatSync(join(mirror, 'directory')).isDirectory())
  t.is(readFileSync(join(mirror, 'directory/inside'), 'utf8'), 'the log’s too')
  // The links were the user's own: they are kept as links under another name.
  t.alike(
    keptOf(mirror, 'file').map((name) => readlinkSync(join(mirror, name))),
    ['../canary']
  )
  t.alike(
    keptOf(mirror, 'directory').map((name) => readlinkSync(join(mirror, name))),
    ['../outside']
  )
  untouched()

  // Created later, along with a change in the log.
  rmSync(join(mirror, 'file'))
  symlinkSync('../canary', join(mirror, 'file'))
  renameSync(join(mirror, 'directory'), join(mirror, 'moved away'))
  symlinkSync('../outside', join(mirror, 'directory'))
  writeFileSync(join(source, 'file'), 'changed')
  writeFileSync(join(source, 'directory/inside'), 'changed too')
  // The path is empty for a moment, between setting the old file aside and placing the new one.
  const stats = (name: string) => lstatSync(join(mirror, name), { throwIfNoEntry: false })
  const isThere = () => stats('file')?.isFile() && stats('directory')?.isDirectory()
  await until(isThere, { what: 'the file and the directory to replace the links' }).catch(() => {})
  untouched()
  t.is(readFileSync(join(mirror, 'file'), 'utf8'), 'changed')
})

test('a published link that becomes a file or a directory leaves its target untouched', async (t) => {
  const { around, source, mirror, writer, bootstrap } = await startWriter(t, (at) => {
    symlinkSync('../canary', at('becomes a file'))
    symlinkSync('../outside', at('becomes a directory'))
  })
  mkdirSync(join(around, 'outside'))
  writeFileSync(join(around, 'canary'), 'mine')
  writeFileSync(join(around, 'outside/inside'), 'mine too')
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await reader.event('in-sync')
  rmSync(join(source, 'becomes a file'))
  rmSync(join(source, 'becomes a directory'))
  writeFileSync(join(source, 'becomes a file'), 'a file')
  mkdirSync(join(source, 'becomes a directory'))
  writeFileSync(join(source, 'becomes a directory/inside'), 'the log’s')
  await waitUntilEqual(t, source, mirror)
  t.is(readFileSync(join(around, 'canary'), 'utf8'), 'mine')
  t.is(readFileSync(join(around, 'outside/inside'), 'utf8'), 'mine too')
})

test('a user’s files survive when their directory becomes a file, or they become a directory', async (t) => {
  const { source, mirror, writer, bootstrap } = await startWriter(t, (at) => {
    mkdirSync(at('directory/deep'), { recursive: true })
    writeFileSync(at('directory/deep/file'), 'the log’s')
    writeFileSync(at('file'), 'the log’s')
  })
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await reader.event('in-sync')
  writeFileSync(join(mirror, 'directory/deep/mine'), 'mine')
  writeFileSync(join(mirror, 'directory/deep/file'), 'edited here')
  writeFileSync(join(mirror, 'file'), 'edited here too')

  rmSync(join(source, 'directory'), { recursive: true })
  writeFileSync(join(source, 'directory'), 'a file now')
  rmSync(join(source, 'file'))
  mkdirSync(join(source, 'file'))
  writeFileSync(join(source, 'file/child'), 'a child now')
  const arrived = () => {
    const [file, child] = [join(mirror, 'directory'), join(mirror, 'file/child')]
    return lstatSync(file, { throwIfNoEntry: false })?.isFile() && lstatSync(child, { throwIfNoEntry: false })
  }
  await until(arrived, { what: 'both replacements' })
  t.is(readFileSync(join(mirror, 'directory'), 'utf8'), 'a file now')
  t.is(readFileSync(join(mirror, 'file/child'), 'utf8'), 'a child now')

  const contents = [...snapshot(mirror)].filter(([, line]) => line.startsWith('file'))
  const texts = contents.map(([path]) => readFileSync(join(mirror, path), 'utf8'))
  for (const text of ['mine', 'edited here', 'edited here too']) t.ok(texts.includes(text), `${text} is still there`)
})
