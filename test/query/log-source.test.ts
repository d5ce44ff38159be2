import { test } from 'brittle'
import { pathOf, versionNamed } from '../../src/query/log-source.ts'
import { directoryOf } from '../support/entries.ts'
import { codeOf } from '../support/failure.ts'
import { commit } from '../support/log.ts'
import { openLogSource } from '../support/log-source.ts'

const { signal } = new AbortController()

const paths: ReadonlyArray<[text: string | undefined, path: string | 'USAGE']> = [
  [undefined, ''],
  ['', ''],
  ['.', ''],
  ['./', ''],
  ['/', ''],
  ['a', 'a'],
  ['./a/b', 'a/b'],
  ['/a/', 'a'],
  ['././a', 'a'],
  ['../a', 'USAGE'],
  ['a/../b', 'USAGE'],
  ['a//b', 'USAGE']
]

for (const [text, path] of paths) {
  test(`${JSON.stringify(text)} is ${path === 'USAGE' ? 'refused' : `the path ${JSON.stringify(path)}`}`, async (t) => {
    if (path === 'USAGE') t.is(await codeOf(() => pathOf(text)), 'USAGE')
    else t.is(pathOf(text), path)
  })
}

test('a name leads to a version; none to the latest that is whole', async (t) => {
  const { writer, source } = await openLogSource(t)
  t.is(await codeOf(() => versionNamed(source, undefined, signal)), 'NO_SUCH_VERSION')
  const first = await commit(writer, { a: directoryOf() })
  const second = await commit(writer, { b: directoryOf() })
  await commit(writer, { c: directoryOf() }, { unfinished: true })
  t.alike(await versionNamed(source, undefined, signal), second)
  t.alike(await versionNamed(source, String(first.length), signal), first)
  t.alike(await versionNamed(source, String(first.length), signal), first, 'as it was found before')
  t.alike(await versionNamed(source, '-1', signal), first)
  t.is(await codeOf(() => versionNamed(source, '99', signal)), 'NO_SUCH_VERSION')
  t.is(await codeOf(() => versionNamed(source, 'yesterday', signal)), 'USAGE')
})

test('the log settles before a version is looked for', async (t) => {
  const { writer, source } = await openLogSource(t)
  const settled = async () => void (await commit(writer, { a: directoryOf() }))
  t.alike(await versionNamed({ ...source, settled }, undefined, signal), writer.version)
})
