import { test } from 'brittle'
import fc from 'fast-check'
import { SyncError } from '../../src/errors.ts'
import { parseVersionName, splitAtVersion, type VersionName } from '../../src/tree/version-name.ts'
import { fuzzRuns, holds, must } from '../support/property.ts'

const nowMs = Date.UTC(2026, 10, 20, 12)
const hourMs = 3_600_000
const local = (...parts: [number, number, number, number?, number?, number?, number?]) => new Date(...parts).getTime()
const number = (of: number): VersionName => ({ by: 'number', number: of })
const back = (count: number): VersionName => ({ by: 'back', count })
const time = (timeMs: number): VersionName => ({ by: 'time', timeMs })

const names: ReadonlyArray<[text: string, name: VersionName]> = [
  ['1', number(1)],
  ['1234', number(1234)],
  ['@1234', number(1234)],
  [' 1234 ', number(1234)],
  ['2026', number(2026)],
  ['9007199254740991', number(Number.MAX_SAFE_INTEGER)],
  ['-1', back(1)],
  ['@-12', back(12)],
  ['30s', time(nowMs - 30_000)],
  ['30m', time(nowMs - 30 * 60_000)],
  ['2h', time(nowMs - 2 * hourMs)],
  ['@2h', time(nowMs - 2 * hourMs)],
  ['1.5h', time(nowMs - 1.5 * hourMs)],
  ['7d', time(nowMs - 7 * 24 * hourMs)],
  ['2w', time(nowMs - 14 * 24 * hourMs)],
  ['2026-11-20', time(local(2026, 10, 20))],
  ['2026-11-20T12:00', time(local(2026, 10, 20, 12))],
  ['2026-11-20 12:00', time(local(2026, 10, 20, 12))],
  ['2026-11-20T12:34:56', time(local(2026, 10, 20, 12, 34, 56))],
  ['2026-11-20T12:34:56.7', time(local(2026, 10, 20, 12, 34, 56, 700))],
  ['2026-11-20T12:34:56.789Z', time(Date.UTC(2026, 10, 20, 12, 34, 56, 789))],
  ['2026-11-20T12:00Z', time(Date.UTC(2026, 10, 20, 12))],
  ['2026-11-20t12:00z', time(Date.UTC(2026, 10, 20, 12))],
  ['2026-11-20T12:00+02:00', time(Date.UTC(2026, 10, 20, 10))],
  ['2026-11-20T12:00-0530', time(Date.UTC(2026, 10, 20, 17, 30))],
  ['2024-02-29', time(local(2024, 1, 29))]
]
for (const [text, name] of names) {
  test(`parseVersionName reads ${JSON.stringify(text)}`, (t) => t.alike(parseVersionName(text, nowMs), name))
}

const none = [
  '',
  '@',
  '@@1',
  '0',
  '-0',
  '+1',
  '1.5',
  '--1',
  '1e3',
  '0x10',
  '9007199254740993',
  'latest',
  '2y',
  'h',
  '-2h',
  '2 h',
  '2026-11',
  '2026-13-01',
  '2026-02-29',
  '2026-11-00',
  '0099-01-01',
  '2026-11-20T',
  '2026-11-20T12',
  '2026-11-20T24:00',
  '2026-11-20T12:60',
  '2026-11-20T12:00:60',
  '2026-11-20T12:00+24:00',
  '2026-11-20Z',
  `${'0'.repeat(60)}1`
]
for (const text of none) {
  test(`parseVersionName refuses ${JSON.stringify(text)}`, (t) => {
    try {
      t.fail(JSON.stringify(parseVersionName(text, nowMs)))
    } catch (error) {
      t.ok(error instanceof SyncError && error.code === 'USAGE' && error.message.includes('names no version'))
    }
  })
}

const splits: ReadonlyArray<[text: string, where: string, name: VersionName | undefined]> = [
  ['key', 'key', undefined],
  ['key@12', 'key', number(12)],
  ['key@-1', 'key', back(1)],
  ['./dir@2h', './dir', time(nowMs - 2 * hourMs)],
  ['./dir@2026-11-20T12:00Z', './dir', time(Date.UTC(2026, 10, 20, 12))],
  ['./a@b/c', './a@b/c', undefined],
  ['./a@5/c', './a@5/c', undefined],
  ['./a@5/c@6', './a@5/c', number(6)],
  ['./a@5@6', './a@5', number(6)],
  ['./a@@6', './a@', number(6)],
  ['me@example.org', 'me@example.org', undefined],
  ['@12', '', number(12)],
  ['dir@', 'dir@', undefined],
  ['', '', undefined]
]
for (const [text, where, name] of splits) {
  test(`splitAtVersion splits ${JSON.stringify(text)}`, (t) => t.alike(splitAtVersion(text, nowMs), [where, name]))
}

test('splitAtVersion keeps every character of any text', (t) => {
  const unit = fc.constantFrom('@', '1', '2', '0', '-', 'h', 'T', ':', '/', 'a', ' ', '.')
  return holds(
    t,
    fc.property(fc.string({ unit, maxLength: 20 }), (text) => {
      const [where, name] = splitAtVersion(text, nowMs)
      if (name === undefined) must(where === text, 'all of it')
      else {
        must(text.startsWith(`${where}@`), 'the text before it')
        const same = parseVersionName(text.slice(where.length + 1), nowMs)
        must(JSON.stringify(same) === JSON.stringify(name), 'the same name')
      }
    }),
    { numRuns: fuzzRuns(1000) }
  )
})
