import { join, normalize } from 'node:path/posix'
import { test } from 'brittle'
import fc from 'fast-check'
import { linkFault } from '../../src/tree/safe-link.ts'
import { pathOf } from '../support/entries.ts'
import { fuzzRuns, holds, must } from '../support/property.ts'

const cases: ReadonlyArray<[path: string, target: string, says: RegExp | undefined]> = [
  ['link', 'file', undefined],
  ['link', './file', undefined],
  ['link', 'a//b/./c', undefined],
  ['link', '.', undefined],
  ['link', 'link', undefined],
  ['link', '...', undefined],
  ['link', '..a/b', undefined],
  ['link', 'a\\..\\b', undefined],
  ['link', 'C:file', undefined],
  ['link', '..', /leads out/],
  ['link', '../file', /leads out/],
  ['link', './../file', /leads out/],
  ['a/link', '..', undefined],
  ['a/link', '../file', undefined],
  ['a/link', './/../file', undefined],
  ['a/link', '../../file', /leads out/],
  ['a/b/link', '../../file', undefined],
  ['a/b/link', '../../../file', /leads out/],
  ['a/link', 'b/..', /goes up after a name/],
  ['a/link', '../b/../file', /goes up after a name/],
  ['link', '/etc/passwd', /absolute/],
  ['link', '/', /absolute/],
  ['link', '//host/share', /absolute/]
]
for (const [path, target, says] of cases) {
  test(`a link ${path} to ${target} is ${says === undefined ? 'safe' : `refused: ${says.source}`}`, (t) => {
    const fault = linkFault(pathOf(path), target, false)
    t.ok(says === undefined ? fault === undefined : says.test(fault ?? ''), String(fault))
  })
}

test('safe links for Windows exclude drives, devices and backslashes', (t) => {
  for (const target of [
    'C:\\x',
    'C:x',
    'file:stream',
    '\\x',
    '\\\\host\\x',
    '\\\\?\\C:\\x',
    '..\\x',
    'a\\..\\x',
    'a/..\\x'
  ]) {
    t.ok(linkFault(pathOf('link'), target, true), target)
  }
  t.is(linkFault(pathOf('a/link'), '..\\b\\c', true), undefined)
})

test('a safe link never leads out, whatever the names on its way', (t) => {
  const part = fc.constantFrom('..', '.', '', 'a', 'b')
  const target = fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join('/'))
  const path = fc.array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 3 })
  return holds(
    t,
    fc.property(path, target, (names, to) => {
      fc.pre(to !== '')
      if (linkFault(pathOf(names.join('/')), to, false) !== undefined) return
      const end = normalize(join('/root', ...names.slice(0, -1), to))
      must(`${end}/`.startsWith('/root/') && !to.startsWith('/'), end)
    }),
    { numRuns: fuzzRuns(1000) }
  )
})
