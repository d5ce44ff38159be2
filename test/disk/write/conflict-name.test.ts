import { test } from 'brittle'
import fc from 'fast-check'
import { conflictName } from '../../../src/disk/write/conflict-name.ts'
import { nameBytesMax, nameFault } from '../../../src/tree/path.ts'
import { holds, must } from '../../support/property.ts'

const time = new Date('2026-03-04T05:06:07.890Z')
const mark = '.conflict-20260304-050607-nas'

const cases: ReadonlyArray<[name: string, from: string, host: string, attempt: number, to: string]> = [
  ['stands before the extension', 'letter.odt', 'nas', 1, `letter${mark}.odt`],
  ['has a number from the second one on', 'letter.odt', 'nas', 2, `letter${mark}-2.odt`],
  ['stands at the end where there is no extension', 'Makefile', 'nas', 1, `Makefile${mark}`],
  ['takes the last extension of several', 'a.tar.gz', 'nas', 1, `a.tar${mark}.gz`],
  ['takes no hidden name for an extension', '.profile', 'nas', 1, `.profile${mark}`],
  ['takes a hidden name with an extension apart', '.a.txt', 'nas', 1, `.a${mark}.txt`],
  ['takes no long tail for an extension', `a.${'x'.repeat(16)}`, 'nas', 1, `a.${'x'.repeat(16)}${mark}`],
  ['takes a tail just short enough for one', `a.${'x'.repeat(15)}`, 'nas', 1, `a${mark}.${'x'.repeat(15)}`],
  ['leaves out of the host what a name had better not hold', 'a.b', '../n a\0s', 1, `a${mark}.b`],
  ['does without a host', 'a.b', '../..', 1, 'a.conflict-20260304-050607-here.b'],
  ['cuts a long host', 'a', 'h'.repeat(99), 1, `a.conflict-20260304-050607-${'h'.repeat(32)}`],
  ['cuts a long name, never its extension', `${'x'.repeat(251)}.odt`, 'nas', 1, `${'x'.repeat(222)}${mark}.odt`],
  ['cuts between characters', 'ß'.repeat(127), 'nas', 1, `${'ß'.repeat(113)}${mark}`]
]
for (const [name, from, host, attempt, to] of cases) {
  test(`the mark of a conflict ${name}`, (t) => t.is(conflictName(from, time, host, attempt), to))
}

test('conflictName makes a name out of any name, another for each attempt', (t) => {
  const name = fc
    .tuple(fc.string({ unit: 'binary', minLength: 1, maxLength: 120 }), fc.constantFrom('', '.txt', '.', '.日本語'))
    .map((parts) => parts.join(''))
    .filter((it) => nameFault(it) === undefined)
  const date = fc.date({ noInvalidDate: true })
  return holds(
    t,
    fc.property(
      name,
      date,
      fc.string({ unit: 'binary' }),
      fc.integer({ min: 1, max: 1e6 }),
      (from, at, host, attempt) => {
        const to = conflictName(from, at, host, attempt)
        must(nameFault(to) === undefined, `${JSON.stringify(to)}: ${nameFault(to)}`)
        must(Buffer.byteLength(to) <= nameBytesMax, 'too long')
        must(to !== from && to !== conflictName(from, at, host, attempt + 1), 'not another')
      }
    ),
    { numRuns: 500 }
  )
})
