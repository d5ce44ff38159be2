import { test } from 'brittle'
import { judgeFile, type Verdict } from '../../src/care/judge-file.ts'
import type { CheckedFile } from '../../src/disk/read/check-files.ts'
import type { FileEntry } from '../../src/tree/entry.ts'
import { exactFileSystem } from '../../src/tree/file-system.ts'
import { fileOf, someTimeMs } from '../support/entries.ts'

const entry = fileOf('content')
const record = { entry, signature: 'recorded' }

function read({ type: _, extents: __, ...content }: FileEntry, signature: string): CheckedFile {
  return { type: 'read', file: { ...content, signature } }
}

type Kind = Verdict['type'] | 'damaged and worthless'

const cases: ReadonlyArray<[name: string, checked: CheckedFile, verdict: Kind]> = [
  ['what the log says', read(entry, 'recorded'), 'sound'],
  ['what the log says, written again', read(entry, 'other'), 'sound'],
  ['another mode', read(fileOf('content', { mode: 0o600 }), 'other'), 'diverged'],
  ['another time', read(fileOf('content', { mtimeMs: 5 }), 'other'), 'diverged'],
  ['no file', { type: 'absent' }, 'diverged'],
  ['bytes that the disk refuses', { type: 'broken', message: 'EIO' }, 'damaged'],
  ['a file that changes', { type: 'unclear', message: 'It changes' }, 'unclear'],
  ['other bytes under the recorded signature', read(fileOf('CONTENT'), 'recorded'), 'damaged and worthless'],
  ['other bytes of the same size and time', read(fileOf('CONTENT'), 'other'), 'damaged'],
  ['other bytes and another size', read(fileOf('longer content'), 'other'), 'diverged'],
  ['other bytes and another time', read(fileOf('CONTENT', { mtimeMs: someTimeMs + 1 }), 'other'), 'diverged']
]

for (const [name, checked, expected] of cases) {
  test(`${name}: ${expected}`, (t) => {
    const verdict = judgeFile(entry, record, checked, exactFileSystem)
    const isWorthless = verdict.type === 'damaged' && verdict.worthless !== undefined
    t.is(isWorthless ? 'damaged and worthless' : verdict.type, expected)
    if (isWorthless) t.is(verdict.worthless, 'recorded')
  })
}

test('a mode that the disk does not keep is no difference', (t) => {
  const traits = { ...exactFileSystem, keepsModes: false }
  t.is(judgeFile(entry, record, read(fileOf('content', { mode: 0o777 }), 'other'), traits).type, 'sound')
})

test('without a record other bytes may be anybody’s, and are worth keeping', (t) => {
  const verdict = judgeFile(entry, undefined, read(fileOf('CONTENT'), 'recorded'), exactFileSystem)
  t.alike(verdict.type === 'damaged' && verdict.worthless, undefined)
})
