import { readFileSync } from 'node:fs'
import { test } from 'brittle'
import { DatabaseFailure, databaseFailure, isDiskFull, messageOf, SyncError, systemCode } from '../src/errors.ts'

function thrownBy(act: () => unknown): unknown {
  try {
    act()
  } catch (error) {
    return error
  }
  throw new Error('Nothing was thrown')
}

const missing = thrownBy(() => readFileSync('/no/such/file'))
const withCode = (message: string, code: string) => Object.assign(new Error(message), { code })

test('systemCode is the code of a system error', (t) => {
  t.alike([systemCode(missing), systemCode(new Error('x')), systemCode('x')], ['ENOENT', undefined, undefined])
})

test('messageOf leaves out the code and the path of a system error', (t) => {
  t.is(messageOf(missing), 'no such file or directory')
  t.is(messageOf(new SyncError('USAGE', 'E: as it is')), 'E: as it is')
  t.is(messageOf(new Error('plain')), 'plain')
  t.is(messageOf('thrown'), 'thrown')
})

test('isDiskFull knows the codes of the system and the words of the storage engine', (t) => {
  const full = [withCode('x', 'ENOSPC'), withCode('x', 'EDQUOT'), new Error('IO error: No space left on device')]
  t.alike(full.map(isDiskFull), [true, true, true])
  t.alike([missing, new Error('x'), 'no space left'].map(isDiskFull), [false, false, false])
})

const failures: ReadonlyArray<[name: string, error: unknown, code: string | undefined]> = [
  ['a full disk', withCode('x', 'ENOSPC'), 'DISK_FULL'],
  ['a full disk as the cause of another error', new Error('x', { cause: withCode('x', 'ENOSPC') }), 'DISK_FULL'],
  ['a checksum that differs', new Error('Corruption: block checksum mismatch'), 'DAMAGED'],
  ['a missing file of the database', new Error('IO error: No such file: /s/db/000001.sst'), 'DAMAGED'],
  ['a read error of the engine', withCode('x', 'EIO'), 'DAMAGED'],
  ['a read error of Node', Object.assign(withCode('x', 'EIO'), { syscall: 'read' }), undefined],
  ['another missing file', missing, undefined],
  ['no error', 'text', undefined]
]
for (const [name, error, code] of failures) {
  test(`databaseFailure of ${name} is ${code ?? 'none'}`, (t) => {
    const failure = databaseFailure('store', '/s', error)
    t.is(failure?.code, code)
    if (failure !== undefined) t.is(databaseFailure('state', '/other', failure), failure, 'a failure stays as it is')
    t.is(failure instanceof DatabaseFailure, code !== undefined)
  })
}
