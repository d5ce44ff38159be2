import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { startClone, startShare } from '../../support/cli.ts'
import type { FuseOptions } from '../../support/fuse-server.ts'
import { memoryDisk, oddTest } from '../../support/odd-file-system.ts'
import { startTestnet } from '../../support/testnet.ts'
import { hasFetched, tracesOf, troublesOf, waitForContents } from '../../support/traces.ts'

const composed = '\u00e9'
const decomposed = 'e\u0301'
const twin = '\u00e9~4a9955'

async function startSource(t: Assert, options: Partial<FuseOptions>, fill: (at: (path: string) => string) => void) {
  const { text: bootstrap } = await startTestnet(t)
  const source = await t.tmp()
  const at = (path: string) => join(source, path)
  fill(at)
  const mirror = join(await memoryDisk(t, options), 'mirror')
  const state = join(await t.tmp(), 'state')
  const writer = await startShare(t, source, { bootstrap })
  const follow = (...args: string[]) =>
    startClone(t, writer.key, mirror, { bootstrap, args: ['--state', state, ...args] })
  return { at, mirror, follow }
}

/** The names as this file system lists them. */
function listed(decomposes: boolean, contents: Record<string, string>): Record<string, string> {
  if (!decomposes) return contents
  return Object.fromEntries(Object.entries(contents).map(([path, content]) => [path.normalize('NFD'), content]))
}

for (const decomposes of [false, true]) {
  const how = decomposes ? 'and lists them decomposed' : 'and lists them as given'

  oddTest(`spellings of a name are kept apart if the system treats them as one, ${how}`, 'memory', async (t) => {
    const { at, mirror, follow } = await startSource(t, { decomposes }, (at) => {
      for (const name of [composed, decomposed]) {
        writeFileSync(at(name), `of ${name.length}`)
        mkdirSync(at(`in-${name}`))
        writeFileSync(at(`in-${name}/${name}`), `in ${name.length}`)
      }
    })
    const first = follow('--once')
    t.is(await first.exit(), 3)
    t.is(troublesOf(first).length, 2)
    const inTwin = readdirSync(mirror).find((name) => name.startsWith('in-') && name.includes('~')) as string
    const contents = {
      [decomposed]: 'of 2',
      [twin]: 'of 1',
      [`in-${decomposed}/${decomposed}`]: 'in 2',
      [`${inTwin}/${composed}`]: 'in 1'
    }
    await waitForContents(t, mirror, listed(decomposes, contents))
    const before = tracesOf(mirror)
    const again = follow('--once')
    t.is(await again.exit(), 3)
    t.is(troublesOf(again).length, 2)
    t.alike(tracesOf(mirror), before, 'no file was rewritten')

    const reader = follow()
    await reader.event('in-sync')
    rmSync(at(decomposed))
    rmSync(at(`in-${decomposed}`), { recursive: true })
    await waitForContents(t, mirror, listed(decomposes, { [composed]: 'of 1', [`in-${composed}/${composed}`]: 'in 1' }))
    await reader.event('applied', ({ problems }) => problems === 0)
    t.is(troublesOf(reader).length, 2, 'no conflict')
  })

  oddTest(`a name that changes only its spelling is followed, ${how}`, 'memory', async (t) => {
    const { at, mirror, follow } = await startSource(t, { decomposes, foldsCase: true }, (at) => {
      mkdirSync(at(`In-${composed}`))
      writeFileSync(at(`In-${composed}/${composed}`), 'content')
    })
    const reader = follow()
    await reader.event('in-sync')
    const before = reader.events.length
    renameSync(at(`In-${composed}/${composed}`), at(`In-${composed}/${decomposed}`))
    renameSync(at(`In-${composed}`), at(`in-${decomposed}`))
    await waitForContents(t, mirror, listed(decomposes, { [`in-${decomposed}/${decomposed}`]: 'content' }))
    await reader.event('in-sync', () => true, before)
    t.alike(troublesOf(reader), [])
    t.absent(hasFetched(reader, before))
  })
}

oddTest('a file arrives even if the system refuses its mode', 'memory', async (t) => {
  const { at, mirror, follow } = await startSource(t, { refusesModes: true, foldsCase: true }, (at) => {
    mkdirSync(at('private'), { mode: 0o700 })
    writeFileSync(at('private/file'), 'content', { mode: 0o600 })
  })
  const first = follow('--once')
  t.is(await first.exit(), 0)
  t.alike(troublesOf(first), [])
  const before = tracesOf(mirror)
  writeFileSync(at('another'), 'another')
  const second = follow('--once')
  t.is(await second.exit(), 0)
  t.alike(troublesOf(second), [])
  t.alike({ ...before, another: tracesOf(mirror).another }, tracesOf(mirror))
})
