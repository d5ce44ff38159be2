import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import { readIgnoreFile } from '../../../src/disk/state/ignore-file.ts'
import { failureOf } from '../../support/failure.ts'

test('an ignore file is read, and none is no rules', async (t) => {
  const root = await t.tmp()
  t.is(readIgnoreFile(root), '')
  writeFileSync(join(root, '.p2psyncignore'), '*.log\n')
  t.is(readIgnoreFile(root), '*.log\n')
})

test('an ignore file that is not a regular file is refused at once', async (t) => {
  const [pipe, directory] = [await t.tmp(), await t.tmp()]
  execFileSync('mkfifo', [join(pipe, '.p2psyncignore')])
  mkdirSync(join(directory, '.p2psyncignore'))
  for (const root of [pipe, directory]) t.ok((await failureOf(() => readIgnoreFile(root))) instanceof Error)
})
