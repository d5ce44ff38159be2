import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import { LogStore } from '../../../src/log/hypercore/store.ts'
import { codeOf } from '../../support/failure.ts'

/** A store whose file `CORESTORE` has another inode number by now, and no attribute. */
async function renumbered(t: Assert, change: (text: string) => string): Promise<string> {
  const directory = join(await t.tmp(), 'store')
  const store = await LogStore.open(directory)
  const core = await store.named('entries')
  await core.append(Buffer.from('block'))
  await store.flush()
  await store.close()
  const path = join(directory, 'CORESTORE')
  const text = change(readFileSync(path, 'utf8').replace(/^device\/inode=.*$/m, 'device/inode=1'))
  rmSync(path)
  writeFileSync(path, text)
  return directory
}

const withoutAttribute = (text: string) => text.replace(/^device\/attribute=.*\n?/m, '')

test('a store is opened again where inode numbers are made up at each mount', async (t) => {
  const directory = await renumbered(t, withoutAttribute)
  t.is(await codeOf(() => LogStore.open(directory)), 'STORE_COPIED', 'it is taken for a copy where they last')
  const store = await LogStore.open(directory, { inodesLast: false })
  t.is((await store.named('entries')).length, 1)
  await store.close()
})

test('a store is opened again where its time was moved by a time zone', async (t) => {
  const directory = await renumbered(t, (text) => withoutAttribute(text).replace(/created=.*/, 'created=1000'))
  const path = join(directory, 'CORESTORE')
  writeFileSync(path, readFileSync(path, 'utf8').replace('inode=1\n', `inode=${statSync(path).ino}\n`))
  t.is(await codeOf(() => LogStore.open(directory)), 'STORE_COPIED')
  const store = await LogStore.open(directory, { inodesLast: false })
  t.is((await store.named('entries')).length, 1)
  await store.close()
})

test('a store created on a file system with attributes counts as a copy anywhere else', async (t) => {
  const directory = await renumbered(t, (text) => `${withoutAttribute(text)}device/attribute=original\n`)
  const path = join(directory, 'CORESTORE')
  const before = readFileSync(path, 'utf8')
  t.is(await codeOf(() => LogStore.open(directory, { inodesLast: false })), 'STORE_COPIED')
  t.is(readFileSync(path, 'utf8'), before, 'untouched')
})
