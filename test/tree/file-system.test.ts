import { test } from 'brittle'
import { asWanted, exactFileSystem, foldName, foldsNames, keepsName } from '../../src/tree/file-system.ts'
import { directoryOf, fileOf, someTimeMs, symlinkOf } from '../support/entries.ts'

const caseless = { ...exactFileSystem, foldsCase: true }
const canonical = { ...exactFileSystem, foldsUnicode: 'canonical' as const }
const compatible = { ...exactFileSystem, foldsUnicode: 'compatible' as const }
const fat = {
  ...caseless,
  keepsModes: false,
  timeStepMs: 2000,
  timesMs: [Date.UTC(1980, 0, 2), Date.UTC(2107, 11, 30)] as const
}

/** Whether a file system of `traits` may take the two for one. */
const areOne = (a: string, b: string, traits: typeof exactFileSystem) => foldName(a, traits) === foldName(b, traits)

test('names that some file system takes for one fold to one key', (t) => {
  const pairs = [
    'aA',
    '\u00e9\u00c9',
    '\u03c2\u03c3',
    '\u03c3\u03a3',
    '\u212ak',
    '\u00b5\u03bc',
    '\u01c4\u01c5',
    '\u017fs'
  ]
  for (const pair of pairs) {
    const [a, b] = pair as unknown as [string, string]
    t.ok(areOne(a, b, caseless), pair)
    t.absent(areOne(a, b, exactFileSystem), 'told apart where names are exact')
  }
  t.ok(areOne('stra\u00dfe', 'STRASSE', caseless))
  t.ok(areOne('\u{10400}', '\u{10428}', caseless), 'beyond the first plane')
  t.ok(areOne('name', 'NAME. .', caseless), 'dots and spaces at the end')
  t.ok(areOne('\u00e9', 'e\u0301', canonical))
  t.absent(areOne('\u00e9', 'e\u0301', caseless))
  t.absent(areOne('\ufb01', 'fi', canonical))
  t.ok(areOne('\ufb01', 'fi', compatible))
  t.ok(areOne('a\u200c', 'a', canonical), 'no width')
  t.absent(areOne('a', 'A', canonical))
  t.alike([exactFileSystem, caseless, canonical].map(foldsNames), [false, true, true])
})

test("a name counts as kept if the file system can't list it any better", (t) => {
  t.ok(keepsName('a', 'a', caseless))
  t.absent(keepsName('A', 'a', caseless), 'it can keep the case')
  t.ok(keepsName('a', 'A', { ...caseless, keepsCase: false }))
  t.ok(keepsName('a', 'a.', caseless), 'it drops a dot at the end')
  t.absent(keepsName('\u00e9', 'e\u0301', canonical))
  t.ok(keepsName('e\u0301', '\u00e9', { ...canonical, keepsForm: false }))
})

test("a mode and a time that the file system can't keep count as the wanted ones", (t) => {
  const want = fileOf('content', { mode: 0o640, mtimeMs: someTimeMs })
  const have = { ...want, mode: 0o777, mtimeMs: someTimeMs - 1089 }
  t.alike(asWanted(have, want, fat), want)
  t.is(asWanted(have, want, exactFileSystem), have, 'as it is, where it could be exact')
  t.is(
    asWanted({ ...have, mtimeMs: someTimeMs - 2000 }, want, fat).mtimeMs,
    someTimeMs - 2000,
    'a time set by somebody'
  )
  const early = { ...want, mtimeMs: -5500 }
  t.alike(asWanted({ ...have, mtimeMs: Date.UTC(1980, 0, 1) }, early, fat), early, 'before its first time')
  const wantDirectory = directoryOf({ mode: 0o700 })
  t.alike(asWanted(directoryOf({ mode: 0o777 }), wantDirectory, fat), wantDirectory)
  const link = symlinkOf('target', { mtimeMs: someTimeMs - 500 })
  t.alike(asWanted(link, symlinkOf('target'), fat), symlinkOf('target'))
  t.is(asWanted(have, directoryOf(), fat), have, 'another type')
  t.is(asWanted(have, undefined, fat), have)
})
