import { test } from 'brittle'
import fc from 'fast-check'
import {
  ancestorsOf,
  baseName,
  childPath,
  comparePaths,
  isBeneath,
  nameBytesMax,
  nameFault,
  parentPath,
  parseTreePath,
  pathBytesMax
} from '../../src/tree/path.ts'
import { pathOf as path } from '../support/entries.ts'
import { fuzzRuns, holds } from '../support/property.ts'
import { anyPath } from '../support/trees.ts'

const accepted: ReadonlyArray<[name: string, text: string]> = [
  ['a single name', 'a'],
  ['a path of several names', 'a/b/c.txt'],
  ['a hidden name', '.profile'],
  ['three dots', 'a/...'],
  ['a name that ends in dots', 'a..'],
  ['a name of white space', ' /\n'],
  ['a name beyond ASCII', 'größe/日本/😀'],
  ['a name that only begins with the reserved one', '.p2psyncignore'],
  ['the reserved name without its dot', 'p2psync'],
  ['a drive letter, a name like any other here', 'C:'],
  ['a name of just the longest length', 'x'.repeat(nameBytesMax)],
  ['a path of just the longest length', `${'x/'.repeat((pathBytesMax - 1) / 2)}x`]
]
for (const [name, text] of accepted) {
  test(`parseTreePath accepts ${name}`, (t) => t.is(parseTreePath(text), text))
}

const refused: ReadonlyArray<[name: string, text: string]> = [
  ['nothing', ''],
  ['an absolute path', '/a'],
  ['a slash at the end', 'a/'],
  ['two slashes in a row', 'a//b'],
  ['the folder itself', '.'],
  ['a dot between', 'a/./b'],
  ['the way out', '..'],
  ['a way out after a name', 'a/../../b'],
  ['a way out at the end', 'a/..'],
  ['a backslash', 'a\\..\\b'],
  ['a NUL', 'a\0b'],
  ['a key of ours', '\0head'],
  ['our own directory', '.p2psync'],
  ['our own directory further down', 'a/.p2psync/folder.json'],
  ['our own directory in capitals', 'a/.P2PSync'],
  ['half a surrogate pair', 'a/\ud83d'],
  ['a surrogate pair the wrong way round', '\ude00\ud83d'],
  ['a name one byte too long', 'x'.repeat(nameBytesMax + 1)],
  ['a name too long in bytes, not in characters', 'ä'.repeat(nameBytesMax / 2 + 1)],
  ['a path one byte too long', `${'x/'.repeat((pathBytesMax - 1) / 2)}xx`],
  ['a path too long in bytes, not in characters', `${'ä/'.repeat(pathBytesMax / 3)}ä`]
]
for (const [name, text] of refused) {
  test(`parseTreePath refuses ${name}`, (t) => t.is(parseTreePath(text), undefined))
}

test('parseTreePath accepts safe paths, and no others', (t) => {
  const part = fc.oneof(
    fc.constantFrom('', '.', '..', '.p2psync', '.P2pSync', 'a', 'b\\', '\0', 'é', '\ud800', ' '),
    fc.string({ unit: 'binary', maxLength: 4 }),
    fc.nat(300).map((length) => 'x'.repeat(length)),
    fc.nat(150).map((length) => 'ß'.repeat(length))
  )
  const text = fc.array(part, { maxLength: 20 }).map((parts) => parts.join('/'))
  return holds(
    t,
    fc.property(text, (candidate) => (parseTreePath(candidate) !== undefined) === isSafe(candidate)),
    { numRuns: fuzzRuns(1000) }
  )
})

function isSafe(text: string): boolean {
  const isText = Buffer.from(text).toString() === text
  if (!isText || Buffer.byteLength(text) > pathBytesMax) return false
  const forbidden = new Set(['', '.', '..', '.p2psync'])
  return text
    .split('/')
    .every((name) => !forbidden.has(name.toLowerCase()) && Buffer.byteLength(name) <= 255 && !/[\0\\]/.test(name))
}

test('nameFault refuses a slash, which would be two names', (t) => {
  t.is(nameFault('a/b'), 'a slash in a name')
  t.is(nameFault('a'), undefined)
})

test('parentPath and baseName take a path apart, and childPath puts it together', async (t) => {
  t.is(parentPath(path('a')), '')
  t.is(parentPath(path('a/b/c')), 'a/b')
  t.is(baseName(path('a')), 'a')
  t.is(baseName(path('a/b/c')), 'c')
  await holds(
    t,
    fc.property(anyPath, (it) => childPath(parentPath(it), baseName(it)) === it)
  )
})

test('ancestorsOf gives every directory above, the outermost first', (t) => {
  t.alike([...ancestorsOf(path('a'))], [])
  t.alike([...ancestorsOf(path('a/b/c'))], ['a', 'a/b'])
})

test('isBeneath agrees with ancestorsOf', async (t) => {
  t.absent(isBeneath(path('ab'), path('a')), 'a name that begins alike is not beneath')
  t.absent(isBeneath(path('a'), path('a')), 'nothing is beneath itself')
  t.ok(isBeneath(path('a'), ''), 'all is beneath the folder')
  await holds(
    t,
    fc.property(anyPath, anyPath, (a, b) => isBeneath(a, b) === [...ancestorsOf(a)].includes(b)),
    { numRuns: 500 }
  )
})

test('comparePaths puts a directory before its children', (t) => {
  const sorted = ['a/b', 'a', 'b', 'a-b', 'a/b/c'].map(path).sort(comparePaths)
  t.alike(sorted, ['a', 'a-b', 'a/b', 'a/b/c', 'b'])
})
